//! From the scripts of `tests/golden/` to the golden files: Python in an environment of its own, with what
//! `requirements.txt` there names. Only who changes the golden files needs this; the tests read what is committed.

use crate::process::{at_root, run, run_long, say};
use crate::setup::model;
use crate::{paths, stamp};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Runs the named scripts, or all of them in order of their names.
///
/// # Errors
/// When the environment can't be made, a name is unknown, or a script fails.
pub fn run_scripts(names: &[String]) -> Result<()> {
    let folder = paths::root().join("tests/golden");
    let scripts: Vec<PathBuf> = stamp::files_under(&folder, &["__pycache__"])?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .filter(|path| names.is_empty() || names.iter().any(|name| path.ends_with(name)))
        .collect();
    if scripts.len() < names.len().max(1) {
        bail!("tests/golden has no such script; asked for: {}", names.join(", "));
    }
    model::bring()?;
    let python = environment(&folder.join("requirements.txt"))?;
    for script in scripts {
        say(format!("running {}", crate::process::short(&script)));
        run(at_root(&python).arg(script))?;
    }
    Ok(())
}

/// The Python of an environment with these requirements, made or brought up to date if they changed.
fn environment(requirements: &Path) -> Result<PathBuf> {
    let folder = paths::scratch().join("golden-python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let digest = stamp::Inputs::default().file(requirements)?.digest();
    if python.exists() && stamp::is_fresh("golden-python", &digest) {
        return Ok(python);
    }
    say("making a Python environment for the golden scripts");
    run(at_root(model::python()?).args(["-m", "venv"]).arg(&folder)).context("python3 -m venv failed")?;
    let mut pip = at_root(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run_long(pip.arg(requirements), "installing Python packages")?;
    stamp::record("golden-python", &digest)?;
    Ok(python)
}
