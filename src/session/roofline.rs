//! A loaded model -> for every kernel of its passes the tightest bound that the adapter sets, and how close it comes.

use super::Model;
use super::profile::{KernelRow, groups, rows, run_us};
use crate::Result;
use crate::kernels::Work;
use crate::kernels::roofline::{Limit, Probes};
use serde::Serialize;

/// What the adapter gives at best, and what the kernels of some passes make of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roofline {
    /// The adapter at its best.
    pub probes: Probes,
    /// Passes of a token and of a prompt.
    pub passes: Vec<BoundedPass>,
}

/// A pass, kernel by kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoundedPass {
    /// Tokens of the pass: 1 is decoding.
    pub rows: u32,
    /// Positions that stood in the cache before.
    pub position: u32,
    /// How long an ordinary run takes, from its submission to its end, in microseconds.
    pub run_us: f64,
    /// The kernels by format and shape, those that take the most time first.
    pub kernels: Vec<BoundedKernel>,
}

/// A kernel over equal shapes against its bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoundedKernel {
    /// What it is and takes. Its time is that of many in one pass, each after the one before it.
    #[serde(flatten)]
    pub row: KernelRow,
    /// What keeps it from being faster.
    pub bound: Limit,
    /// The least time that one could take by that, in microseconds.
    pub bound_us: f64,
    /// `bound_us` over the time that one takes: 1 is the best that the adapter can do. Above 1 a cache held what a probe
    /// had to fetch, the host's clock is too coarse, or the machine was busy with something else whenever it was probed.
    pub share: f64,
}

impl BoundedPass {
    /// The time-weighted mean of the kernels' shares: what the bounds add up to over what the kernels take.
    pub fn share(&self) -> f64 {
        let sum = |us: fn(&BoundedKernel) -> f64| -> f64 {
            self.kernels.iter().map(|kernel| us(kernel) * f64::from(kernel.row.times)).sum()
        };
        sum(|kernel| kernel.bound_us) / sum(|kernel| kernel.row.us).max(f64::MIN_POSITIVE)
    }
}

impl Model {
    /// What the adapter gives at best: takes a second or two.
    ///
    /// # Errors
    /// `Unsupported` on the processor; `Memory` where a buffer to read does not fit beside the model.
    pub async fn probe(&mut self) -> Result<Probes> {
        self.executor().probe().await
    }

    /// Times the kernels of a pass of so many tokens after `position` cached ones, and holds them against the adapter.
    /// What stood in the cache is forgotten. The adapter is probed again, and the better counts: whatever else the machine
    /// did while it was probed would make bounds that kernels pass.
    ///
    /// # Errors
    /// `Unsupported` on the processor; as for running the pass, where it does not fit.
    pub async fn bounded(&mut self, rows: u32, position: u32, probes: &mut Probes) -> Result<BoundedPass> {
        let tokens = self.any_tokens(rows);
        let (executor, pass) = self.measured(rows);
        let works = executor.works(pass, tokens.len(), position)?;
        let works: Vec<&Work> = works.iter().collect();
        let groups = groups(&works);
        let group_us = executor.time_groups(pass, &tokens, position, &groups).await?;
        let run_us = run_us(executor, pass, &tokens, position).await?;
        *probes = probes.better_of(&executor.probe().await?);
        let mut us = vec![0.0; works.len()];
        for (group, group_us) in groups.iter().zip(group_us) {
            group.iter().for_each(|place| us[*place] = group_us);
        }
        let rows_of_groups = self::rows(&works, &us, &groups).into_iter().zip(&groups);
        let mut kernels: Vec<BoundedKernel> = rows_of_groups
            .map(|(row, group)| {
                let bound = probes.bound(works[group[0]]);
                let share = bound.us / row.us.max(f64::MIN_POSITIVE);
                BoundedKernel { row, bound: bound.limit, bound_us: bound.us, share }
            })
            .collect();
        kernels.sort_by(|a, b| b.row.time_share.total_cmp(&a.row.time_share));
        Ok(BoundedPass { rows, position, run_us, kernels })
    }
}
