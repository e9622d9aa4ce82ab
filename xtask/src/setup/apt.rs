//! From package names to installed Debian packages, where this is Debian and we may install.

use crate::process::{at_root, output, run, run_long, say};
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};
use std::sync::Once;

/// Whether every one of these packages is installed.
pub fn has(packages: &[&str]) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Abbrev}\n"]).args(packages);
    output(&mut query).is_some_and(|text| text.lines().all(|status| status.trim() == "ii"))
}

/// Installs packages, after bringing the package lists up to date once.
///
/// # Errors
/// Where there is no apt-get, where this is not root, or when apt-get fails; `purpose` says what went missing.
/// Nothing is ever removed to make room.
pub fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let by_hand = format!("{purpose} is missing; install it by hand");
    if output(Command::new("apt-get").arg("--version")).is_none() {
        bail!("{by_hand}: this machine has no apt-get (on Debian the packages are: {})", packages.join(" "));
    }
    if output(Command::new("id").arg("-u")).as_deref() != Some("0") {
        bail!("{by_hand}: apt-get install {} (only root may)", packages.join(" "));
    }
    // Lists that can't all be brought up to date may still do.
    static UPDATED: Once = Once::new();
    UPDATED.call_once(|| drop(run(&mut apt_get(&["update"]))));
    say(format!("installing Debian packages for {purpose}: {}", packages.join(" ")));
    let install = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    run_long(apt_get(&install).args(packages), "installing").with_context(|| format!("installing {purpose}"))
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = at_root("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"]);
    // It says a line for each file of each package; what goes wrong comes by stderr.
    command.args(arguments).stdout(Stdio::null());
    command
}
