//! What the processor's executors have in common.

use super::{AdapterInfo, CacheLayout, Counts, Prepared, Readback};
use crate::Result;
use crate::kernels::CacheFormat;
use crate::plan::{CacheShape, Plan, Tensor};
use crate::sampler;
use crate::weights::{Catalogue, Sink};

/// What runs plans on the processor: at once, whatever is asked for.
pub trait Host: Sink {
    /// What computes.
    fn adapter(&self) -> AdapterInfo;

    /// As [`Executor::counts`](super::Executor::counts).
    fn counts(&self) -> Counts;

    /// Makes the cache.
    ///
    /// # Errors
    /// Where there is not enough memory.
    fn allocate_cache(&mut self, shape: CacheShape, format: CacheFormat) -> Result<()>;

    /// How keys and values stand; none before there is a cache.
    fn cache_layout(&self) -> Option<CacheLayout>;

    /// Reads some of a head's keys (`side` 0) or values (1), from a byte of that side on.
    fn read_head(&self, layer: usize, side: usize, first: usize, bytes: &mut [u8]);

    /// Writes them.
    fn write_head(&mut self, layer: usize, side: usize, first: usize, bytes: &[u8]);

    /// As [`Executor::prepare`](super::Executor::prepare).
    ///
    /// # Errors
    /// Where there is not enough memory.
    fn prepare(&mut self, plan: &Plan, catalogue: &Catalogue) -> Result<Prepared>;

    /// As [`Executor::weights_are_whole`](super::Executor::weights_are_whole).
    ///
    /// # Errors
    /// Where there is not enough memory.
    fn weights_are_whole(&mut self) -> Result<()> {
        Ok(())
    }

    /// As [`Executor::begin_choosing`](super::Executor::begin_choosing).
    ///
    /// # Errors
    /// As [`Options::check`](crate::sampler::Options::check).
    fn begin_choosing(&mut self, options: &sampler::Options, prompt: &[u32], generated: &[u32]) -> Result<()>;

    /// Runs every step; that of the choice where it is asked for.
    ///
    /// # Errors
    /// Where the run does not fit the plan.
    fn run(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()>;

    /// As [`Executor::chain`](super::Executor::chain).
    ///
    /// # Errors
    /// Where there is no token to go on from, or no room for another.
    fn chain(&mut self, prepared: Prepared, position: u32, count: u32) -> Result<()>;

    /// How many runs chose tokens that were not yet asked for.
    fn under_way(&self) -> usize;

    /// The tokens of the oldest of them.
    ///
    /// # Errors
    /// Where there is none.
    fn choices(&mut self) -> Result<Vec<Result<sampler::Chosen>>>;

    /// Logits of the last run.
    ///
    /// # Errors
    /// Where there was none.
    fn logits(&self, prepared: Prepared) -> Result<Vec<f32>>;

    /// Fills a tensor.
    fn write_tensor(&mut self, prepared: Prepared, tensor: Tensor, values: &[f32]);

    /// The values of a tensor.
    fn read_tensor(&self, prepared: Prepared, tensor: Tensor) -> Vec<f32>;
}
