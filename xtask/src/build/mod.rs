//! From sources to the page: modules (`pkg/dist/wasm`), package (`pkg/dist`), page (`target/site`).

mod module;
mod processor;
mod site;
pub mod size;

use crate::process::{npm, run, say};
use crate::setup::node;
use crate::{paths, stamp};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Builds all of it, each only if something that it is made of has changed.
///
/// # Errors
/// When a tool is missing and can't be brought, or a step fails.
pub fn run_all() -> Result<()> {
    node::bring()?;
    module::build()?;
    processor::build()?;
    package()?;
    site::build()?;
    say(format!("built: {}", crate::process::short(&paths::site())));
    Ok(())
}

/// The folder of the package's built files.
fn package_dist() -> PathBuf {
    paths::root().join("pkg/dist")
}

/// Compiles the package's TypeScript beside the module.
fn package() -> Result<()> {
    let root = paths::root();
    let inputs = stamp::Inputs::default().file(&root.join("package-lock.json"))?;
    let inputs = inputs.tree(&root.join("pkg"), &["dist", "node_modules"])?;
    let inputs = inputs.tree(&module::folder(), &[])?;
    let digest = inputs.digest();
    if stamp::is_fresh("package", &digest) && package_dist().join("index.js").is_file() {
        return Ok(());
    }
    say("building the npm package");
    remove_former()?;
    run(npm().args(["run", "build", "--silent", "--workspace", "pkg"]))?;
    stamp::record("package", &digest)
}

/// Removes what an earlier build of the package made, but for the module, so that no file outlives its source.
fn remove_former() -> Result<()> {
    for path in stamp::files_under(&package_dist(), &["wasm"])? {
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}
