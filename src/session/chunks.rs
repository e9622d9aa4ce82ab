//! How long a pass over part of a prompt takes -> how many tokens the next one takes.
//!
//! Long chunks read each weight seldom and fill a large GPU. But an answer that is given up ends no sooner than the chunk
//! that is under way, a page that draws on the same GPU waits for it too, and a driver may take a device for dead that is
//! silent for long. So a chunk is to take about the frame budget, as far as [`LEAST_ROWS`] allow.

use crate::executor::Executor;
use crate::kernels::matmul_few::FEW_ROWS;
use web_time::{Duration, Instant};

/// What a chunk should take where nobody draws: long beside a submit and the wait for it, short for whoever waits.
const GOAL: Duration = Duration::from_millis(100);

/// What it should take where a page draws on the same GPU: two frames of 60 a second. A GPU does not interrupt what it has
/// begun, so the compositor then misses one frame at most and draws every other: what moves keeps moving. In half of it,
/// every frame, a GPU that is no match for its model would compute chunks of [`LEAST_ROWS`], and read each weight from
/// memory twice as often; a quick one computes its largest chunks in less than either.
const FRAMES: Duration = Duration::from_millis(33);

/// What may be computed at a stretch: as many milliseconds as are asked for, or what suits the device.
pub(super) fn frame_budget(asked_ms: Option<u32>, executor: &Executor) -> Duration {
    match (asked_ms, executor) {
        (Some(ms), _) => Duration::from_millis(ms.into()),
        (None, Executor::Gpu(_)) if cfg!(target_arch = "wasm32") => FRAMES,
        // A page's threads and its compositor take turns on the processor without our doing.
        _ => GOAL,
    }
}

/// Fewer would leave most of a device idle, and read the weights too often.
pub(super) const LEAST_ROWS: u32 = 16;

/// Rows of the next chunk, learned from those before it.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    rows: u32,
    most: u32,
    /// What a chunk should take.
    goal: Duration,
    /// What it takes to hear of a device that had nothing to do.
    latency: Duration,
    /// The chunk under way, and when it was begun.
    begun: Option<(u32, Instant)>,
}

impl Chunks {
    /// Begins with chunks of `rows`, of `most` at most, that should take `goal`.
    pub(super) fn new(rows: u32, most: u32, goal: Duration) -> Chunks {
        Chunks { rows: rows.min(most), most, goal, latency: Duration::ZERO, begun: None }
    }

    /// Waiting for a device that had nothing to do took so long: a browser may tell of what has ended only now and then,
    /// and that is no fault of the chunk's.
    pub(super) fn heard_after(&mut self, latency: Duration) {
        self.latency = latency.min(GOAL);
    }

    /// Rows that the next chunk takes, of so many that are left. What it leaves for a last chunk is more than
    /// [`FEW_ROWS`]: those would go through another kernel, and what comes out would depend on how quick the device is.
    pub(super) fn of(&self, left: usize) -> usize {
        let rows = left.min(self.rows as usize);
        match left - rows {
            tail if (1..=FEW_ROWS as usize).contains(&tail) => left.saturating_sub(FEW_ROWS as usize + 1).max(1),
            _ => rows,
        }
    }

    /// A chunk of `rows` is about to be submitted.
    pub(super) fn begin(&mut self, rows: u32) {
        self.begun = Some((rows, Instant::now()));
    }

    /// Everything that was submitted has ended.
    pub(super) fn end(&mut self) {
        if let Some((rows, begun)) = self.begun.take() {
            self.took(rows, begun.elapsed());
        }
    }

    /// Takes what a chunk took into account: twice as many rows at most, or half, as a single time may mislead.
    fn took(&mut self, rows: u32, time: Duration) {
        let time = time.saturating_sub(self.latency);
        let fitting = f64::from(rows) * (self.goal.as_secs_f64() / time.as_secs_f64().max(1e-6));
        let fitting = fitting.clamp(f64::from(rows / 2), f64::from(rows * 2)) as u32;
        self.rows = (fitting / LEAST_ROWS * LEAST_ROWS).max(LEAST_ROWS).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chunks of a prompt on a device that takes `fixed_ms` for each and `row_ms` more for a row.
    fn sizes(fixed_ms: f64, row_ms: f64) -> Vec<u32> {
        sizes_from(Chunks::new(64, 256, GOAL), fixed_ms, row_ms)
    }

    fn sizes_from(mut chunks: Chunks, fixed_ms: f64, row_ms: f64) -> Vec<u32> {
        let size = |_| {
            let rows = chunks.rows;
            chunks.took(rows, Duration::from_secs_f64((fixed_ms + row_ms * f64::from(rows)) / 1e3));
            rows
        };
        (0..6).map(size).collect()
    }

    #[test]
    fn chunks_grow_where_they_are_quick_and_shrink_where_they_are_slow() {
        assert_eq!(sizes(1.0, 0.01), [64, 128, 256, 256, 256, 256]);
        assert_eq!(sizes(5.0, 1.0), [64, 80, 80, 80, 80, 80]);
        assert_eq!(sizes(20.0, 70.0), [64, 32, 16, 16, 16, 16]);
    }

    #[test]
    fn chunks_keep_to_what_is_asked_for() {
        let sizes = |ms| sizes_from(Chunks::new(64, 256, Duration::from_millis(ms)), 1.0, 0.5);
        assert_eq!(sizes(100), [64, 128, 192, 192, 192, 192]);
        assert_eq!(sizes(33), [64, 64, 64, 64, 64, 64]);
        assert_eq!(sizes(16), [64, 32, 16, 16, 16, 16]);
        assert_eq!(sizes(1), [64, 32, 16, 16, 16, 16], "never fewer than are worth a pass");
        let processor = Executor::reference();
        assert_eq!(frame_budget(Some(7), &processor), Duration::from_millis(7));
        assert_eq!(frame_budget(None, &processor), GOAL);
    }

    #[test]
    fn what_it_takes_to_hear_of_the_device_is_not_the_chunks() {
        let heard_after = |ms| {
            let mut chunks = Chunks::new(64, 256, GOAL);
            chunks.heard_after(Duration::from_millis(ms));
            chunks
        };
        assert_eq!(sizes_from(heard_after(0), 100.0, 0.1), [64, 48, 32, 16, 16, 16], "as if the device were slow");
        assert_eq!(sizes_from(heard_after(100), 100.0, 0.1), [64, 128, 256, 256, 256, 256]);
        assert_eq!(sizes_from(heard_after(100), 100.0, 1.0), [64, 96, 96, 96, 96, 96]);
        // A busy moment while the latency was taken does not make chunks long without end.
        assert_eq!(sizes_from(heard_after(5000), 0.0, 2.0), [64, 128, 80, 128, 80, 128]);
    }

    #[test]
    fn no_last_chunk_is_so_short_that_another_kernel_takes_it() {
        let split = |rows, mut left| {
            let chunks = Chunks::new(rows, 256, GOAL);
            let mut sizes = Vec::new();
            while left > 0 {
                sizes.push(chunks.of(left));
                left -= sizes[sizes.len() - 1];
            }
            sizes
        };
        assert_eq!((split(64, 5), split(64, 64), split(64, 73)), (vec![5], vec![64], vec![64, 9]));
        assert_eq!((split(64, 65), split(64, 72), split(64, 136)), (vec![56, 9], vec![63, 9], vec![64, 63, 9]));
        assert_eq!((split(16, 33), split(4, 6)), (vec![16, 8, 9], vec![1, 1, 4]));
        for (rows, left) in (16..40).flat_map(|rows| (20..200).map(move |left| (rows, left))) {
            let sizes = split(rows, left);
            assert_eq!(sizes.iter().sum::<usize>(), left);
            assert!(sizes[sizes.len() - 1] > FEW_ROWS as usize, "{left} by {rows}: {sizes:?}");
        }
    }

    #[test]
    fn what_was_not_begun_says_nothing_and_room_is_kept_to() {
        let mut chunks = Chunks::new(64, 40, GOAL);
        chunks.end();
        assert_eq!(chunks.rows, 40);
        chunks.took(40, Duration::ZERO);
        assert_eq!(chunks.rows, 40);
    }
}
