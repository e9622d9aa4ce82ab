//! From a machine to the Vulkan adapters that native tests run on: its GPU, or Mesa's and Chromium's in software.

use crate::process::say;
use crate::setup::{apt, browser};
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A Vulkan driver, chosen for a child process through its environment.
pub struct Adapter {
    /// For people: `lavapipe`.
    pub name: &'static str,
    /// The driver's manifest; none leaves the choice to the system.
    manifest: Option<PathBuf>,
}

impl Adapter {
    /// The variables that make Vulkan's loader see this driver alone (today's name and the older one), and give the
    /// window system's libraries the folder that they complain about where nobody is logged in.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let names = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
        let driver = self.manifest.iter().flat_map(|path| names.map(|name| (name, path.clone())));
        let runtime = env::var_os("XDG_RUNTIME_DIR").is_none().then(|| ("XDG_RUNTIME_DIR", env::temp_dir()));
        driver.chain(runtime).collect()
    }
}

/// The machine's GPU if it has one, else lavapipe, installed now if it is missing.
///
/// # Errors
/// When there is neither and Mesa's driver can't be installed.
pub fn primary() -> Result<Adapter> {
    // Metal and Direct3D come with the system.
    if !cfg!(target_os = "linux") {
        return Ok(Adapter { name: "the system's GPU", manifest: None });
    }
    if has_gpu() {
        return Ok(Adapter { name: "the machine's GPU", manifest: None });
    }
    if lavapipe().is_none() {
        apt::install(&["mesa-vulkan-drivers", "libvulkan1"], "a Vulkan driver in software")?;
    }
    let manifest =
        lavapipe().context("Mesa's Vulkan driver was installed but its manifest lvp_icd*.json is missing")?;
    Ok(Adapter { name: "lavapipe", manifest: Some(manifest) })
}

/// SwiftShader, which comes with Chromium: another subgroup size, and no halves. Only Linux has Vulkan to reach it by.
///
/// # Errors
/// When there is no Chromium, or it has no SwiftShader beside it.
pub fn second() -> Result<Option<Adapter>> {
    if !cfg!(target_os = "linux") {
        say("no second adapter: SwiftShader is reached through Vulkan, on Linux");
        return Ok(None);
    }
    let browser = browser::bring()?;
    let program = fs::canonicalize(&browser)?;
    let mut folders = vec![Path::new("/usr/lib/chromium"), Path::new("/opt/google/chrome")];
    folders.extend(program.parent());
    let mut manifests = folders.iter().map(|folder| folder.join("vk_swiftshader_icd.json"));
    let manifest = manifests
        .find(|path| path.is_file())
        .with_context(|| format!("no vk_swiftshader_icd.json beside {}", browser.display()))?;
    Ok(Some(Adapter { name: "SwiftShader", manifest: Some(manifest) }))
}

/// Whether a device that renders has a driver for Vulkan; Mesa's manifests stand there for cards that aren't.
fn has_gpu() -> bool {
    let devices = ["/dev/dri/renderD128", "/dev/nvidiactl", "/dev/dxg"];
    devices.iter().any(|path| Path::new(path).exists()) && manifests().iter().any(|path| !is_lavapipe(path))
}

fn lavapipe() -> Option<PathBuf> {
    manifests().into_iter().find(|path| is_lavapipe(path))
}

fn is_lavapipe(manifest: &Path) -> bool {
    manifest.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd"))
}

/// The manifests of installed Vulkan drivers.
fn manifests() -> Vec<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
