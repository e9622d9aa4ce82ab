//! A device -> how fast it multiplies by weights of four bits, by a few matrices of the size of a small model's: whether a
//! rasteriser is worth more than the processor's own path is a question of measuring, not of names.

use crate::Result;
use crate::executor::{Executor, Readback};
use crate::format::Format;
use crate::plan::{Builder, CacheShape};
use crate::weights::{Catalogue, Layout, Shape, Sink};
use serde::{Deserialize, Serialize};
use std::fmt;
use web_time::Instant;

/// Matrices, the width between them and the width that they lead to and from: 4 MB, more than a core's cache holds.
const MATRICES: usize = 8;
const SIZES: [u32; 2] = [576, 1536];

/// What is timed should take this many seconds at least, for browsers' clocks; no more, as among many short times there is
/// one in which nothing else had the processor. The least counts, of as many as fit these seconds, and of so many at least.
const WORTH_S: f64 = 0.002;
const BUDGET_S: f64 = 0.08;
const RUNS: usize = 4;

/// More runs than this are not needed on any device.
const MOST: u32 = 256;

/// What a software adapter and the processor make of the same matrices, in bytes of weights a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speeds {
    /// By the GPU's kernels.
    pub adapter: f64,
    /// By the processor's path.
    pub processor: f64,
}

impl Speeds {
    /// The better of two measurements each: whatever else a machine does only takes from them.
    #[must_use]
    pub fn or_better(self, other: Speeds) -> Speeds {
        Speeds { adapter: self.adapter.max(other.adapter), processor: self.processor.max(other.processor) }
    }

    /// Whether the adapter is the one to take. At a tie the processor leaves the adapter to the page's own drawing.
    pub fn adapter_wins(self) -> bool {
        self.adapter > self.processor
    }
}

impl fmt::Display for Speeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "multiplies {:.1} GB/s of weights, the processor {:.1}", self.adapter / 1e9, self.processor / 1e9)
    }
}

/// Bytes of q4 weights a second that a device multiplies one row by, by the kernels that it begins with. Takes about a
/// tenth of a second, and leaves its matrices on the device: it is no use for a model afterwards.
///
/// # Errors
/// Where the device refuses.
pub async fn speed(executor: &mut Executor) -> Result<f64> {
    let (mut catalogue, mut matrices) = (Catalogue::default(), Vec::new());
    for place in 0..MATRICES {
        let (inputs, outputs) = (SIZES[place % 2], SIZES[(place + 1) % 2]);
        let layout = Layout::new(Format::Q4, Shape::Matrix { outputs, inputs }, executor.binding_limit())?;
        let id = executor.allocate("speed", &layout)?;
        for (part, at) in layout.parts.iter().enumerate() {
            // Any weights will do, whose scales are ordinary halves.
            executor.write(id, part, 0, &vec![0x30; at.bytes as usize])?;
        }
        matrices.push(catalogue.add(&format!("speed {place}"), layout));
    }
    let cache = CacheShape { layers: 0, kv_heads: 1, head_width: 32, context: 1 };
    executor.allocate_cache(cache, crate::kernels::CacheFormat::F16)?;
    let mut plan = Builder::new(&catalogue, 1, cache);
    let x = plan.input("x", SIZES[0]);
    let y = matrices.iter().fold(x, |x, matrix| plan.matmul("y", x, *matrix));
    let prepared = executor.prepare(&plan.finish(y), &catalogue)?;
    executor.weights_are_whole()?;
    let mut time = async |runs: u32| -> Result<f64> {
        let begun = Instant::now();
        for _ in 0..runs {
            executor.run(prepared, &[0], 0, Readback::Nothing)?;
        }
        executor.settle().await?;
        Ok(begun.elapsed().as_secs_f64())
    };
    // The first run compiles, and wakes threads.
    time(1).await?;
    let (mut runs, mut least) = (1, time(1).await?);
    while least < WORTH_S && runs < MOST {
        runs *= 2;
        least = time(runs).await?;
    }
    let begun = Instant::now();
    let mut timed = 0;
    while timed < RUNS || begun.elapsed().as_secs_f64() < BUDGET_S {
        least = least.min(time(runs).await?);
        timed += 1;
    }
    let bytes: u64 = catalogue.iter().map(|(_, layout)| layout.bytes()).sum();
    Ok(f64::from(runs) * bytes as f64 / least.max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Activations, Native};
    use pollster::block_on;

    #[test]
    fn the_quicker_one_wins_and_a_tie_is_the_processors() {
        let speeds = |adapter, processor| Speeds { adapter, processor };
        assert!(speeds(3e9, 2e9).adapter_wins());
        assert!(!speeds(3e9, 12e9).adapter_wins() && !speeds(3e9, 3e9).adapter_wins());
        assert!(!speeds(2e9, 1e9).or_better(speeds(1e9, 10e9)).adapter_wins(), "a busy moment");
        assert_eq!(speeds(3e9, 12.34e9).to_string(), "multiplies 3.0 GB/s of weights, the processor 12.3");
    }

    #[test]
    fn the_processor_is_measured_quickly() {
        let begun = Instant::now();
        let machine = Box::new(Native::new(Some(1), None).unwrap());
        let speed = block_on(speed(&mut Executor::cpu(machine, Activations::Auto))).unwrap();
        assert!(speed > 1e6 && speed < 1e12, "{speed} bytes a second");
        assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    }
}
