//! From package-lock.json to `node_modules`: Node.js is there already, its packages come by `npm ci`.

use crate::process::{at_root, npm, output, run_long, say};
use crate::{paths, stamp};
use anyhow::{Result, bail};
use std::process::Command;

/// The oldest major version of Node.js that the build and the tests run on.
const OLDEST: u32 = 20;

/// `node`, started in the repository's root, once its packages are installed.
///
/// # Errors
/// When Node.js is missing or too old, or npm fails.
pub fn bring() -> Result<Command> {
    let version = output(at_root("node").arg("--version"));
    let major = version.as_deref().and_then(|text| text.trim_start_matches('v').split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST) {
        bail!("Node.js {OLDEST} or newer is needed; found: {}", version.as_deref().unwrap_or("none"));
    }
    install()?;
    Ok(at_root("node"))
}

/// Installs exactly what the lock file says, unless that has been done.
fn install() -> Result<()> {
    let root = paths::root();
    let mut inputs = stamp::Inputs::default();
    for file in ["package.json", "package-lock.json", "pkg/package.json"] {
        inputs = inputs.file(&root.join(file))?;
    }
    let digest = inputs.digest();
    if root.join("node_modules").is_dir() && stamp::is_fresh("node", &digest) {
        return Ok(());
    }
    say("installing npm packages (TypeScript, esbuild, binaryen, playwright-core)");
    run_long(npm().args(["ci", "--no-audit", "--no-fund"]), "installing npm packages")?;
    stamp::record("node", &digest)
}
