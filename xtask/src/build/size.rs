//! From the built page to a verdict: everything that a visitor downloads, weights aside, fits the budget.

use crate::process::run;
use crate::{paths, setup::node};
use anyhow::Result;

/// What all files of the page together may weigh after brotli 11.
const BUDGET_BYTES: usize = 1_000_000;

/// Prints each file's size and fails if their sum is over the budget.
///
/// # Errors
/// When the page is too large, or was not built.
pub fn check() -> Result<()> {
    let mut node = node::bring()?;
    node.arg("xtask/src/build/size.mjs").arg(paths::site()).arg(BUDGET_BYTES.to_string());
    run(&mut node)
}
