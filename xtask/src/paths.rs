//! From names to places: where the repository's parts are, and where the chores put what they make.

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask/ stands in the repository's root")
}

/// Scratch space of the chores: stamps, downloads, intermediate files. Ignored by git, safe to delete.
pub fn scratch() -> PathBuf {
    root().join("target/xtask")
}

/// What cargo builds for the browser: beside the native builds, as its compiler may be another one.
pub fn wasm_target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(shared) => root().join(shared).join("wasm"),
        None => root().join("target/wasm"),
    }
}

/// The demo page as it is served: plain files.
pub fn site() -> PathBuf {
    root().join("target/site")
}

/// The models: ignored by git, served as `/models/`.
pub fn models() -> PathBuf {
    root().join("models")
}

/// Makes a folder that is empty.
pub fn recreate(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}
