//! A loaded model -> where the time of a pass goes: each dispatch in order, and their sums by kernel and shape.

use super::Model;
use crate::Result;
use crate::executor::{KernelTime, Readback};
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

/// Works and what each took, in microseconds -> sums by kernel, constants, format and shape, the dearest first.
pub(super) fn rows<'a>(timed: impl Iterator<Item = (&'a Work, f64)>) -> Vec<KernelRow> {
    let mut rows: Vec<KernelRow> = Vec::new();
    let mut total = 0.0;
    for (work, us) in timed {
        total += us;
        let same = |row: &&mut KernelRow| {
            (row.kernel, &row.variant, row.format, &row.shape) == (work.kernel, &work.variant, work.format, &work.shape)
        };
        match rows.iter_mut().find(same) {
            Some(row) => {
                row.us += us;
                row.times += 1;
            }
            None => rows.push(KernelRow {
                kernel: work.kernel,
                variant: work.variant.clone(),
                format: work.format,
                shape: work.shape.clone(),
                us,
                times: 1,
                time_share: 0.0,
                bytes: work.bytes(),
                operations: work.operations,
            }),
        }
    }
    rows.sort_by(|a, b| b.us.total_cmp(&a.us));
    for row in &mut rows {
        row.time_share = if total > 0.0 { row.us / total } else { 0.0 };
        row.us /= f64::from(row.times);
    }
    rows
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
        let mut times = Vec::new();
        for _ in 0..RUNS {
            executor.settle().await?;
            let begun = Instant::now();
            executor.run(pass, &tokens, position, Readback::Nothing)?;
            executor.settle().await?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        let kernels = self::rows(dispatches.iter().map(|dispatch| (&dispatch.work, dispatch.us)));
        Ok(Profile { rows, position, run_us: times[RUNS / 2], kernels, dispatches })
    }

    /// Tokens to measure with: which they are makes no difference.
    pub(super) fn any_tokens(&self, count: u32) -> Vec<u32> {
        (0..count).map(|token| token % self.shape().vocab).collect()
    }
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
        };
        let works = [
            work("blk.0.qkv", "matvec", "1 x 8 -> 24"),
            work("blk.0.attention", "attention", "1 x 8 over 3"),
            work("blk.1.qkv", "matvec", "1 x 8 -> 24"),
        ];
        let rows = rows(works.iter().zip([30.0, 20.0, 50.0]));
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].kernel, rows[0].times, rows[0].us, rows[0].time_share), ("matvec", 2, 40.0, 0.8));
        assert_eq!((rows[0].bytes, rows[0].operations), (100, 1000), "of one dispatch");
        assert_eq!((rows[1].us, rows[1].time_share), (20.0, 0.2));
    }
}
