//! From `www/` and the built package to `target/site`: the page by its own build, the package under `oriel/`.

use crate::process::run;
use crate::setup::node;
use crate::{paths, stamp};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Endings of files that serve developers and that no page asks for.
const NOT_SERVED: [&str; 3] = [".d.ts", ".map", ".tsbuildinfo"];

/// Builds the page and copies the package anew.
///
/// # Errors
/// When the page's build fails, or a file can't be read or written.
pub fn build() -> Result<()> {
    let site = paths::site();
    paths::recreate(&site)?;
    run(node::bring()?.arg("www/build.mjs"))?;
    copy(&super::package_dist(), &site.join("oriel"))
}

/// Copies every file that is served.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for source in stamp::files_under(from, &["node_modules"])? {
        let name = source.to_string_lossy();
        if NOT_SERVED.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let target = to.join(source.strip_prefix(from)?);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(&source, &target).with_context(|| format!("copying {name} to {}", target.display()))?;
    }
    Ok(())
}
