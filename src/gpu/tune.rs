//! Which kernels suit this adapter: a short measurement of a matmul in each variant.

use super::Gpu;
use crate::Result;
use crate::executor::Readback;
use crate::format::Format;
use crate::kernels::Variants;
use crate::kernels::matmul::Variant;
use crate::plan::{Builder, CacheShape, Plan};
use crate::weights::{Catalogue, Layout, Shape, Sink};
use web_time::{Duration, Instant};

/// Outputs and inputs of the matrix that is measured: large enough to fill a GPU, a few milliseconds on a rasteriser.
const OUTPUTS: u32 = 2048;
const INPUTS: u32 = 512;

/// The fastest variant for one row and for several. What is made for the measurement is freed again.
pub async fn fastest(gpu: &mut Gpu) -> Result<Variants> {
    let mut catalogue = Catalogue::default();
    let shape = Shape::Matrix { outputs: OUTPUTS, inputs: INPUTS };
    let layout = Layout::new(Format::Q4, shape, gpu.binding_limit())?;
    let matrix = gpu.allocate("measured", &layout)?;
    catalogue.add("measured", layout);
    let plan = |rows: u32| -> Plan {
        let cache = CacheShape { layers: 0, kv_heads: 1, head_width: 2, context: rows };
        let mut p = Builder::new(&catalogue, rows, cache);
        let x = p.input("x", INPUTS);
        let y = p.matmul("y", x, matrix);
        p.finish(y)
    };
    let mut best = Variants::default();
    let (decode, prefill) = (plan(1), plan(16));
    let mut least = [Duration::MAX; 2];
    for variant in Variant::ALL {
        gpu.variants = Variants { matvec: variant, matmul: variant };
        let vector = time(gpu, &decode, &catalogue).await?;
        let matrix = time(gpu, &prefill, &catalogue).await?;
        if vector < least[0] {
            (best.matvec, least[0]) = (variant, vector);
        }
        if matrix < least[1] {
            (best.matmul, least[1]) = (variant, matrix);
        }
    }
    gpu.forget();
    Ok(best)
}

/// Time of one run, after a first that compiles.
async fn time(gpu: &mut Gpu, plan: &Plan, catalogue: &Catalogue) -> Result<Duration> {
    let prepared = gpu.prepare(plan, catalogue)?;
    let tokens = vec![0; plan.rows as usize];
    gpu.run(prepared, &tokens, 0, Readback::Nothing)?;
    gpu.settle().await?;
    let start = Instant::now();
    gpu.run(prepared, &tokens, 0, Readback::Nothing)?;
    gpu.settle().await?;
    Ok(start.elapsed())
}
