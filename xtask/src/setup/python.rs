//! From a list of requirements to a Python that has them, in an environment of its own.

use super::model;
use crate::process::{at_root, run, run_long, say};
use crate::{paths, stamp};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The Python of the environment `name` with these requirements, made or brought up to date if they changed.
///
/// # Errors
/// When Python is missing, or the environment can't be made.
pub fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let folder = paths::scratch().join(name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let digest = stamp::Inputs::default().file(requirements)?.digest();
    if python.exists() && stamp::is_fresh(name, &digest) {
        return Ok(python);
    }
    say(format!("making a Python environment: {name}"));
    run(at_root(model::python()?).args(["-m", "venv"]).arg(&folder)).context("python3 -m venv failed")?;
    let mut pip = at_root(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run_long(pip.arg(requirements), "installing Python packages")?;
    stamp::record(name, &digest)?;
    Ok(python)
}
