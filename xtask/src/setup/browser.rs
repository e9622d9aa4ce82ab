//! From a machine to the path of its Chromium.

use crate::process::{on_path, say};
use crate::setup::apt;
use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;

/// Names of Chromium and of its descendants on `PATH`.
const NAMES: [&str; 6] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge"];

/// Where installers put it on systems that keep it off `PATH`.
const PLACES: [&str; 6] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];

/// The path of a Chromium: the one that `CHROME` or `CHROMIUM` names, an installed one, or Debian's, installed now.
///
/// # Errors
/// When the named one doesn't exist, or none is found and none can be installed.
pub fn bring() -> Result<PathBuf> {
    for variable in ["CHROME", "CHROMIUM"] {
        if let Some(path) = env::var_os(variable).map(PathBuf::from) {
            if !path.is_file() {
                bail!("{variable} names {}, which is no file", path.display());
            }
            return Ok(path);
        }
    }
    if let Some(path) = find() {
        return Ok(path);
    }
    // Without a font there is no text on a screenshot.
    apt::install(&["chromium", "fonts-liberation"], "Chromium (or name one by the variable CHROME)")?;
    let path = find().context("Chromium was installed but is not found on PATH")?;
    say(format!("Chromium is at {}", path.display()));
    Ok(path)
}

fn find() -> Option<PathBuf> {
    on_path(&NAMES).or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.is_file()))
}
