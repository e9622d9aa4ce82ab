//! From nothing to a model that answers: in the reader's own browser, or headless in the terminal.

use crate::process::{run, say};
use crate::serve::Server;
use crate::setup::{browser, model, node};
use crate::{build, paths};
use anyhow::{Context, Result};

/// Builds, brings the model, serves the page, prints its address, and goes on until it is interrupted.
///
/// # Errors
/// When a step fails or the port is taken.
pub fn serve(port: Option<u16>) -> Result<()> {
    prepare()?;
    let server = Server::start(paths::site(), paths::models(), port)?;
    println!("Oriel is at {}  (Ctrl-C ends it)", server.address());
    server.wait()
}

/// Does the same, but asks the page itself, in headless Chromium, and prints its answer as it streams.
///
/// # Errors
/// When a step fails, or the page doesn't answer.
pub fn headless(prompt: &str, port: Option<u16>) -> Result<()> {
    let browser = browser::bring()?;
    prepare()?;
    let server = Server::start(paths::site(), paths::models(), port)?;
    say(format!("asking the page at {} in {}", server.address(), browser.display()));
    let mut node = node::bring()?;
    node.env("ORIEL_BROWSER", browser);
    run(node.arg("tests/page/headless.mjs").arg(server.address()).arg(prompt)).context("the page did not answer")
}

fn prepare() -> Result<()> {
    node::bring()?;
    model::bring()?;
    build::run_all()
}
