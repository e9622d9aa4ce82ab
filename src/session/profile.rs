//! A loaded model -> where the time of a pass goes: each dispatch in order, and their sums by kernel and shape.

use super::Model;
use crate::Result;
use crate::executor::{Executor, KernelTime, Prepared, Readback};
use crate::kernels::Work;
use serde::Serialize;
use web_time::Instant;

/// Ordinary runs that are timed beside the profile.
const RUNS: usize = 5;

/// Where the time of a pass goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// Tokens of the pass: 1 is decoding.
    pub rows: u32,
    /// Positions that stood in the cache before.
    pub position: u32,
    /// How long an ordinary run takes, from its submission to its end, in microseconds.
    pub run_us: f64,
    /// The dispatches by kernel, format and shape, the dearest first.
    pub kernels: Vec<KernelRow>,
    /// Every dispatch, in order.
    pub dispatches: Vec<KernelTime>,
}

/// Dispatches of one kernel over equal shapes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelRow {
    /// Stem of the kernel's file.
    pub kernel: &'static str,
    /// Its constants, where they are not 0.
    pub variant: String,
    /// Format of the matrix.
    pub format: Option<&'static str>,
    /// Rows and widths, as [`Work::shape`].
    pub shape: String,
    /// How long one takes, in microseconds.
    pub us: f64,
    /// How many there are in the pass.
    pub times: u32,
    /// The share of the pass's time that they take together, from 0 to 1.
    pub time_share: f64,
    /// Bytes that one has to move.
    pub bytes: u64,
    /// Multiply-adds of one.
    pub operations: u64,
}

impl Profile {
    /// Time in kernels, in microseconds.
    pub fn kernels_us(&self) -> f64 {
        self.dispatches.iter().map(|dispatch| dispatch.us).sum()
    }
}

/// Works -> the places of those of one kernel over equal shapes, together.
pub(super) fn groups(works: &[&Work]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let alike =
        |a: &Work, b: &Work| (a.kernel, &a.variant, a.format, &a.shape) == (b.kernel, &b.variant, b.format, &b.shape);
    for (place, work) in works.iter().enumerate() {
        match groups.iter_mut().find(|group| alike(works[group[0]], work)) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

/// Works, what each took in microseconds, and their groups -> a row for each group, in the same order.
pub(super) fn rows(works: &[&Work], us: &[f64], groups: &[Vec<usize>]) -> Vec<KernelRow> {
    let total = us.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let row = |group: &Vec<usize>| {
        let (work, sum) = (works[group[0]], group.iter().map(|place| us[*place]).sum::<f64>());
        KernelRow {
            kernel: work.kernel,
            variant: work.variant.clone(),
            format: work.format,
            shape: work.shape.clone(),
            us: sum / group.len() as f64,
            times: group.len() as u32,
            time_share: sum / total,
            bytes: work.bytes(),
            operations: work.operations,
        }
    };
    groups.iter().map(row).collect()
}

impl Model {
    /// Times each dispatch of a pass of so many tokens that follow `position` cached ones. What stood in the cache is
    /// forgotten; what the positions hold makes no difference to the time.
    ///
    /// # Errors
    /// `Unsupported` where the device gives no timestamps; as for running the pass, where it does not fit.
    pub async fn profile(&mut self, rows: u32, position: u32) -> Result<Profile> {
        let tokens = self.any_tokens(rows);
        let (executor, pass) = self.measured(rows);
        let dispatches = executor.profile(pass, &tokens, position).await?;
        let run_us = run_us(executor, pass, &tokens, position).await?;
        let works: Vec<&Work> = dispatches.iter().map(|dispatch| &dispatch.work).collect();
        let us: Vec<f64> = dispatches.iter().map(|dispatch| dispatch.us).collect();
        let mut kernels = self::rows(&works, &us, &groups(&works));
        kernels.sort_by(|a, b| b.time_share.total_cmp(&a.time_share));
        Ok(Profile { rows, position, run_us, kernels, dispatches })
    }

    /// Tokens to measure with: which they are makes no difference.
    pub(super) fn any_tokens(&self, count: u32) -> Vec<u32> {
        (0..count).map(|token| token % self.shape().vocab).collect()
    }
}

/// The middle one of several ordinary runs, in microseconds from its submission to its end.
pub(super) async fn run_us(executor: &mut Executor, pass: Prepared, tokens: &[u32], position: u32) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        executor.settle().await?;
        let begun = Instant::now();
        executor.run(pass, tokens, position, Readback::Nothing)?;
        executor.settle().await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispatches_of_equal_kernel_and_shape_are_one_row() {
        let work = |name: &str, kernel, shape: &str| Work {
            name: name.into(),
            kernel,
            variant: String::new(),
            format: Some("q4"),
            shape: shape.into(),
            bytes_read: 90,
            bytes_written: 10,
            operations: 1000,
            weights: 0,
            packed: false,
        };
        let works = [
            work("blk.0.qkv", "matvec", "1 x 8 -> 24"),
            work("blk.0.attention", "attention", "1 x 8 over 3"),
            work("blk.1.qkv", "matvec", "1 x 8 -> 24"),
        ];
        let works: Vec<&Work> = works.iter().collect();
        let rows = rows(&works, &[30.0, 20.0, 50.0], &groups(&works));
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].kernel, rows[0].times, rows[0].us, rows[0].time_share), ("matvec", 2, 40.0, 0.8));
        assert_eq!((rows[0].bytes, rows[0].operations), (100, 1000), "of one dispatch");
        assert_eq!((rows[1].us, rows[1].time_share), (20.0, 0.2));
    }
}
