//! From Python scripts to golden files: what independent implementations make of the same inputs.
//!
//! The scripts run in an environment of their own, with the packages of `tests/golden/requirements.txt`. Only who
//! changes golden files needs this; the tests read what is committed.

use crate::paths;
use crate::process::{at_root, run, say};
use crate::setup::{model, node, python};
use anyhow::{Result, bail};
use std::path::Path;

/// Every script under `tests/` that makes golden files, with the arguments of each of its runs; `MODEL` stands for the demo
/// model's path.
const RUNS: [(&str, &[&str]); 5] = [
    ("tests/golden/gguf_types.py", &[]),
    ("tests/golden/make.py", &["small"]),
    ("tests/golden/make.py", &["smollm2", MODEL]),
    ("tests/golden/tokens.py", &[MODEL]),
    ("tests/golden/templates.py", &[MODEL]),
];
const MODEL: &str = "MODEL";

/// Runs the scripts whose path ends in one of `names`, or all of them.
///
/// # Errors
/// When no script has such a name, the environment can't be made, or a script fails.
pub fn run_scripts(names: &[String]) -> Result<()> {
    let is_wanted = |script: &str| names.is_empty() || names.iter().any(|name| Path::new(script).ends_with(name));
    let runs: Vec<_> = RUNS.into_iter().filter(|(script, _)| is_wanted(script)).collect();
    if runs.is_empty() {
        bail!("there is no script {}; there are: {}", names.join(" or "), RUNS.map(|(script, _)| script).join(", "));
    }
    let model = model::bring()?;
    // One script asks an npm package too.
    node::bring()?;
    let python = python::environment("golden-python", &paths::root().join("tests/golden/requirements.txt"))?;
    for (script, arguments) in runs {
        say(format!("running {script} {}", arguments.join(" ")));
        let arguments = arguments.iter().map(|word| if *word == MODEL { model.as_path() } else { Path::new(word) });
        run(at_root(&python).arg(script).args(arguments))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp;

    #[test]
    fn every_script_is_listed() {
        let files =
            stamp::files_under(&paths::root().join("tests"), &["node_modules", "peers"]).expect("tests/ can be read");
        for script in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "py")) {
            let text = std::fs::read_to_string(script).expect("scripts are UTF-8");
            let listed = RUNS.iter().any(|(listed, _)| script.ends_with(listed));
            assert!(listed || !text.contains("__main__"), "{} is not in RUNS", script.display());
        }
    }

    #[test]
    fn every_listed_script_exists() {
        for (script, _) in RUNS {
            assert!(paths::root().join(script).is_file(), "{script} is in RUNS but not there");
        }
    }
}
