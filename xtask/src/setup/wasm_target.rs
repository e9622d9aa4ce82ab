//! From any Rust installation to a cargo command that builds for `wasm32-unknown-unknown`.
//!
//! An installed target is used. Else rustup is asked for it, but not for long: where its server can't be reached it
//! hangs for minutes. Else Debian's second compiler, `rustc-web`, builds the standard library from source as well.

use crate::process::{cargo, output, say, succeeds_within};
use crate::setup::apt;
use crate::stamp;
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The target's name, and the name of the folder of what is built for it.
pub const TARGET: &str = "wasm32-unknown-unknown";
const RUSTUP_LIMIT: Duration = Duration::from_secs(20);
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "rust-web-llvm"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/rust-lld";

/// A compiler that knows the target.
#[derive(Clone, Copy)]
enum Compiler {
    /// The toolchain that runs this program, with the target's standard library.
    Own,
    /// Debian's, with the standard library as source.
    Debian,
}

/// `cargo rustc --target wasm32-unknown-unknown --target-dir FOLDER` with a compiler that can, brought first if need be.
/// `library` is what the crate builds on: `std` or `core`.
///
/// # Errors
/// When no compiler can be had; the message says what to install.
pub fn cargo_rustc(folder: &Path, library: &str) -> Result<Command> {
    let compiler = bring()?;
    let mut command = cargo();
    command.args(["rustc", "--target", TARGET, "--target-dir"]).arg(folder);
    if let Compiler::Debian = compiler {
        // The compiler is a stable release; building the standard library needs the switch for unstable features.
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
        command.args(["-Z", &format!("build-std={library},panic_abort")]);
    }
    Ok(command)
}

fn bring() -> Result<Compiler> {
    if own_has_target() {
        return Ok(Compiler::Own);
    }
    if debian_is_complete() {
        return Ok(Compiler::Debian);
    }
    if rustup_adds_target()? && own_has_target() {
        return Ok(Compiler::Own);
    }
    apt::install(&DEBIAN_PACKAGES, "a Rust compiler for WebAssembly")
        .with_context(|| format!("`rustup target add {TARGET}` did not work"))?;
    bring_debian_linker()?;
    Ok(Compiler::Debian)
}

fn own_has_target() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]));
    libraries.is_some_and(|folder| Path::new(&folder).is_dir())
}

fn debian_is_complete() -> bool {
    apt::has(&DEBIAN_PACKAGES) && Path::new(DEBIAN_LINKER).exists() && debian_is_recent()
}

/// Whether Debian's compiler is at least the one that this workspace asks for.
fn debian_is_recent() -> bool {
    let minor = |version: &str| version.split('.').nth(1)?.parse::<u32>().ok();
    let installed = output(Command::new(DEBIAN_RUSTC).arg("--version")).and_then(|text| minor(&text));
    installed >= minor(env!("CARGO_PKG_RUST_VERSION"))
}

/// The package's linker is a link to LLVM's, whose package it only recommends: the link's aim is that package's name.
fn bring_debian_linker() -> Result<()> {
    if Path::new(DEBIAN_LINKER).exists() {
        return Ok(());
    }
    let aim = fs::read_link(DEBIAN_LINKER).with_context(|| format!("{DEBIAN_LINKER} did not come with its package"))?;
    let package = aim.file_name().unwrap_or_default().to_string_lossy().into_owned();
    apt::install(&[&package], "a linker for WebAssembly")
}

/// Asks rustup for the target, once for each toolchain: a failure is remembered, so that the next run need not wait.
fn rustup_adds_target() -> Result<bool> {
    let Some(toolchain) = output(Command::new("rustup").args(["show", "active-toolchain"])) else {
        return Ok(false);
    };
    if stamp::is_fresh("rustup-target-failed", &toolchain) {
        return Ok(false);
    }
    say(format!("asking rustup for {TARGET} (at most {} s)", RUSTUP_LIMIT.as_secs()));
    let added = succeeds_within(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT)?;
    if !added {
        say("rustup could not bring it");
        stamp::record("rustup-target-failed", &toolchain)?;
    }
    Ok(added)
}
