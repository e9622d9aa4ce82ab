//! How long a pass over part of a prompt takes -> how many tokens the next one takes.
//!
//! Long chunks read each weight seldom and fill a large GPU. But an answer that is given up ends no sooner than the chunk
//! that is under way, a page that draws on the same GPU waits for it too, and a driver may take a device for dead that is
//! silent for long. So a chunk is to take about [`GOAL`], as far as [`LEAST_ROWS`] allow.

use web_time::{Duration, Instant};

/// What a chunk should take: long beside a submit and the wait for it, short for whoever waits.
const GOAL: Duration = Duration::from_millis(100);

/// Fewer would leave most of a device idle, and read the weights too often.
pub(super) const LEAST_ROWS: u32 = 16;

/// Rows of the next chunk, learned from those before it.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    rows: u32,
    most: u32,
    /// The chunk under way, and when it was begun.
    begun: Option<(u32, Instant)>,
}

impl Chunks {
    /// Begins with chunks of `rows`, of `most` at most.
    pub(super) fn new(rows: u32, most: u32) -> Chunks {
        Chunks { rows: rows.min(most), most, begun: None }
    }

    /// Rows that the next chunk takes.
    pub(super) fn rows(&self) -> u32 {
        self.rows
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
        let fitting = f64::from(rows) * (GOAL.as_secs_f64() / time.as_secs_f64().max(1e-6));
        let fitting = fitting.clamp(f64::from(rows / 2), f64::from(rows * 2)) as u32;
        self.rows = (fitting / LEAST_ROWS * LEAST_ROWS).max(LEAST_ROWS).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chunks of a prompt on a device that takes `fixed_ms` for each and `row_ms` more for a row.
    fn sizes(fixed_ms: f64, row_ms: f64) -> Vec<u32> {
        let mut chunks = Chunks::new(64, 256);
        let size = |_| {
            let rows = chunks.rows();
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
    fn what_was_not_begun_says_nothing_and_room_is_kept_to() {
        let mut chunks = Chunks::new(64, 40);
        chunks.end();
        assert_eq!(chunks.rows(), 40);
        chunks.took(40, Duration::ZERO);
        assert_eq!(chunks.rows(), 40);
    }
}
