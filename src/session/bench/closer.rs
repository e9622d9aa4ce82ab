//! A benchmark's closer looks, after everything else was timed: where the time of a pass goes, and what bounds it.

use super::{Bench, BenchOptions, Progress};
use crate::session::{Model, Profile, Roofline};
use crate::{Error, Result};
use std::collections::VecDeque;

/// One look, at a pass of so many tokens after so many positions.
#[derive(Debug, Clone, Copy)]
enum Look {
    Profile(u32, u32),
    Probe,
    Bound(u32, u32),
}

/// What is still to be looked at, and what was seen.
#[derive(Default)]
pub(super) struct Closer {
    looks: VecDeque<Look>,
    pub(super) profiles: Vec<Profile>,
    pub(super) roofline: Option<Roofline>,
    /// The most bytes on the device before, which looking adds to.
    pub(super) gpu_bytes_peak: Option<u64>,
}

impl Closer {
    /// What the options ask for: a token after the fewest positions, and as much of a prompt as a pass takes.
    ///
    /// # Errors
    /// `Unsupported` where the device cannot tell.
    pub(super) fn new(model: &Model, options: &BenchOptions) -> Result<Closer> {
        let adapter = model.info().adapter;
        if options.profile && !adapter.timestamps {
            let message = format!("{} gives no timestamps, so its kernels can't be timed one by one", adapter.name);
            return Err(Error::Unsupported(message));
        }
        if options.roofline && adapter.backend == "cpu" {
            return Err(Error::Unsupported("a roofline is that of a GPU".into()));
        }
        let position = options.decode.iter().copied().min().unwrap_or(0).min(model.context() - 1);
        let passes = [(1, position), (model.prompt_rows(), 0)];
        let mut looks = VecDeque::new();
        if options.profile {
            looks.extend(passes.map(|(rows, position)| Look::Profile(rows, position)));
        }
        if options.roofline {
            looks.push_back(Look::Probe);
            looks.extend(passes.map(|(rows, position)| Look::Bound(rows, position)));
        }
        Ok(Closer { looks, ..Closer::default() })
    }
}

impl Bench {
    /// The next look; none where there is no more.
    pub(super) async fn look(&mut self, model: &mut Model) -> Result<Option<Progress>> {
        let closer = &mut self.closer;
        let Some(look) = closer.looks.pop_front() else { return Ok(None) };
        closer.gpu_bytes_peak.get_or_insert(model.counts().gpu_bytes_peak);
        let (phase, tokens) = match look {
            Look::Profile(rows, position) => {
                closer.profiles.push(model.profile(rows, position).await?);
                ("profile", rows)
            }
            Look::Probe => {
                closer.roofline = Some(Roofline { probes: model.probe().await?, passes: Vec::new() });
                ("probe", 0)
            }
            Look::Bound(rows, position) => {
                if let Some(Roofline { probes, passes }) = &mut closer.roofline {
                    passes.push(model.bounded(rows, position, probes).await?);
                }
                ("roofline", rows)
            }
        };
        Ok(Some(Progress { phase, tokens, run: 1, runs: 1, done: self.done, total: self.total, tokens_per_s: None }))
    }
}
