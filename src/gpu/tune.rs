//! Which kernels suit this adapter: a short measurement of matmul and attention in each variant.

use super::Gpu;
use crate::Result;
use crate::executor::Readback;
use crate::format::Format;
use crate::kernels::{CacheFormat, Variant, Variants};
use crate::plan::{Builder, CacheShape, Plan, View};
use crate::weights::{Catalogue, Layout, Shape, Sink};
use web_time::{Duration, Instant};

/// Outputs and inputs of the matrix that is measured: large enough to fill a GPU, a few milliseconds on a rasteriser.
const OUTPUTS: u32 = 2048;
const INPUTS: u32 = 512;

/// Runs of each variant that are timed.
const RUNS: usize = 3;
/// Rows of a chunk of a prompt, and the heads whose attention is measured over as many positions.
const ROWS: u32 = 16;
const CACHE: CacheShape = CacheShape { layers: 1, kv_heads: 4, head_width: 64, context: 128 };

/// The fastest variant of each kind of step. What is made for the measurement is freed again.
pub async fn fastest(gpu: &mut Gpu) -> Result<Variants> {
    let mut catalogue = Catalogue::default();
    let shape = Shape::Matrix { outputs: OUTPUTS, inputs: INPUTS };
    let layout = Layout::new(Format::Q4, shape, gpu.binding_limit())?;
    let matrix = gpu.allocate("measured", &layout)?;
    catalogue.add("measured", layout);
    gpu.allocate_cache(CACHE, CacheFormat::F16);
    let plan = |rows: u32, width: u32, record: &dyn Fn(&mut Builder, View) -> View| -> Plan {
        let mut p = Builder::new(&catalogue, rows, CACHE);
        let x = p.input("x", width);
        let y = record(&mut p, x);
        p.finish(y)
    };
    let matmul = |p: &mut Builder, x: View| p.matmul("y", x, matrix);
    let heads = CACHE.kv_heads * CACHE.head_width;
    let attention = |p: &mut Builder, x: View| p.attention("y", x, 0, CACHE.kv_heads, 1.0);
    let plans = [plan(1, INPUTS, &matmul), plan(ROWS, INPUTS, &matmul), plan(ROWS, heads, &attention)];
    let mut best = [(Duration::MAX, Variant::default()); 3];
    for variant in Variant::ALL {
        gpu.variants = Variants::all(variant);
        for (plan, best) in plans.iter().zip(&mut best) {
            let time = time(gpu, plan, &catalogue).await?;
            if time < best.0 {
                *best = (time, variant);
            }
        }
    }
    gpu.forget();
    let [matvec, matmul, attention] = best.map(|(_, variant)| variant);
    Ok(Variants { team: Variants::all(matvec).team, matmul, attention })
}

/// Time of the fastest of a few runs, after one that compiles: whatever else the machine does only adds to it.
async fn time(gpu: &mut Gpu, plan: &Plan, catalogue: &Catalogue) -> Result<Duration> {
    let prepared = gpu.prepare(plan, catalogue)?;
    let tokens = vec![0; plan.rows as usize];
    let position = CACHE.context - plan.rows;
    let mut least = Duration::MAX;
    for run in 0..=RUNS {
        let start = Instant::now();
        gpu.run(prepared, &tokens, position, Readback::Nothing)?;
        gpu.settle().await?;
        if run > 0 {
            least = least.min(start.elapsed());
        }
    }
    Ok(least)
}
