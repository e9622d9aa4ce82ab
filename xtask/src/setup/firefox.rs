//! From a machine to the path of its Firefox.

use crate::process::on_path;
use crate::setup::apt;
use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;

/// Its names on `PATH`.
const NAMES: [&str; 2] = ["firefox-esr", "firefox"];

/// Where installers put it on systems that keep it off `PATH`.
const PLACES: [&str; 2] =
    ["/Applications/Firefox.app/Contents/MacOS/firefox", "C:\\Program Files\\Mozilla Firefox\\firefox.exe"];

/// The path of a Firefox: the one that `FIREFOX` names, an installed one, or Debian's, installed now.
///
/// # Errors
/// When the named one doesn't exist, or none is found and none can be installed.
pub fn bring() -> Result<PathBuf> {
    if let Some(path) = env::var_os("FIREFOX").map(PathBuf::from) {
        if !path.is_file() {
            bail!("FIREFOX names {}, which is no file", path.display());
        }
        return Ok(path);
    }
    if let Some(path) = find() {
        return Ok(path);
    }
    apt::install(&["firefox-esr"], "Firefox (or name one by the variable FIREFOX)")?;
    find().context("Firefox was installed but is not found on PATH")
}

fn find() -> Option<PathBuf> {
    on_path(&NAMES).or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.is_file()))
}
