//! Every kernel on the GPU and on the processor against its plain reference, at odd and extreme shapes, in every format
//! and variant.
//!
//! A case is a plan of one step over random tensors. It runs on all three executors, and what the step wrote must agree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attention;
mod choose;
mod heads;
mod matmul;
mod processor;

use oriel::cpu::{Activations, Native};
use oriel::executor::{Executor, Prepared, Readback};
use oriel::format::{Format, pack};
use oriel::gpu::GpuOptions;
use oriel::kernels::quantise::{self, Planes};
use oriel::kernels::tuning::Choice;
use oriel::kernels::{CacheFormat, Tuning, Variant};
use oriel::plan::{Activation, Builder, CacheShape, Combine, Epilogue, Output, Pairing, Plan, Step, View};
use oriel::weights::{Catalogue, Layout, Shape, Sink, WeightId};
use pollster::block_on;

/// Small enough that a matrix of a few hundred rows stands in several parts.
const SMALL_BINDING: u64 = 96 * 1024;

/// The GPU, the reference and the processor over the same weights.
struct Bench {
    executors: [Executor; 3],
    catalogue: Catalogue,
    random: Random,
    binding_limit: u64,
    /// Whether inputs are made such that so many planes hold them exactly.
    rounding: Option<Planes>,
}

impl Bench {
    fn new(variant: Variant, binding_limit: Option<u64>) -> Bench {
        Bench::with(GpuOptions { binding_limit, tuning: Some(Tuning::all(variant)), ..GpuOptions::default() })
    }

    fn with(options: GpuOptions) -> Bench {
        let gpu = block_on(Executor::gpu(options)).expect("a Vulkan, Metal or DX12 adapter");
        // Both adapters that these tests run on have them, so no variant goes untested.
        assert!(gpu.adapter().subgroups, "the adapter offers subgroups");
        let binding_limit = gpu.binding_limit();
        // More threads than most shapes have work for.
        let processor = processor(3, None, Activations::F32);
        let executors = [gpu, Executor::reference(), processor];
        Bench { executors, catalogue: Catalogue::default(), random: Random(7), binding_limit, rounding: None }
    }

    fn weight(&mut self, format: Format, shape: Shape) -> WeightId {
        let name = format!("w{}", self.catalogue.iter().count());
        let layout = Layout::new(format, shape, self.binding_limit).unwrap();
        let values = self.random.values(layout.outputs as usize * layout.inputs as usize);
        let parts = pack(&layout, &values).unwrap();
        for executor in &mut self.executors {
            let id = executor.allocate(&name, &layout).unwrap();
            for (part, bytes) in parts.iter().enumerate() {
                executor.write(id, part, 0, bytes).unwrap();
            }
        }
        self.catalogue.add(&name, layout)
    }

    fn matrix(&mut self, format: Format, outputs: u32, inputs: u32) -> WeightId {
        self.weight(format, Shape::Matrix { outputs, inputs })
    }

    fn vector(&mut self, width: u32) -> WeightId {
        self.weight(Format::F32, Shape::Vector { width })
    }

    fn cache(&mut self, shape: CacheShape, format: CacheFormat) {
        for executor in &mut self.executors {
            executor.allocate_cache(shape, format).unwrap();
        }
    }

    fn prepare(&mut self, plan: &Plan) -> [Prepared; 3] {
        let catalogue = &self.catalogue;
        self.executors.each_mut().map(|executor| executor.prepare(plan, catalogue).unwrap())
    }

    /// Fills `inputs`, runs the plan over `rows` rows from `position` on, and returns how far the executors are from the
    /// reference in `y`, beside its greatest magnitude.
    fn apart(&mut self, plan: &Plan, inputs: &[View], y: View, rows: u32, position: u32) -> (f32, f32) {
        let prepared = self.prepare(plan);
        self.apart_of(prepared, plan, inputs, y, rows, position)
    }

    /// The same of a plan that is prepared.
    fn apart_of(
        &mut self,
        prepared: [Prepared; 3],
        plan: &Plan,
        inputs: &[View],
        y: View,
        rows: u32,
        position: u32,
    ) -> (f32, f32) {
        for x in inputs {
            let width = plan.info(x.tensor).width as usize;
            let mut values = self.random.values(plan.rows as usize * width);
            if let Some(planes) = self.rounding {
                values.chunks_mut(width).for_each(|row| quantise::reference(row, planes));
            }
            for (executor, prepared) in self.executors.iter_mut().zip(prepared) {
                executor.write_tensor(prepared, x.tensor, &values);
            }
        }
        let tokens: Vec<u32> = (0..rows).map(|_| self.random.below(self.vocab(plan))).collect();
        let mut results = Vec::new();
        for (executor, prepared) in self.executors.iter_mut().zip(prepared) {
            executor.run(prepared, &tokens, position, Readback::Nothing).unwrap();
            block_on(executor.settle()).unwrap();
            results.push(block_on(executor.read_tensor(prepared, y.tensor)).unwrap());
        }
        let live = plan.live_rows(y.tensor, plan.live(rows as usize, position).unwrap());
        let values = (live * plan.info(y.tensor).width) as usize;
        let [gpu, reference, processor] = [0, 1, 2].map(|place: usize| &results[place][..values]);
        let apart = |from: &[f32]| {
            assert!(from.iter().all(|value| value.is_finite()));
            from.iter().zip(reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        (apart(gpu).max(apart(processor)), reference.iter().map(|value| value.abs()).fold(0.0, f32::max))
    }

    fn vocab(&self, plan: &Plan) -> u32 {
        let tables = plan.steps.iter().filter_map(|step| match step {
            Step::Embed { table, .. } => Some(self.catalogue.layout(*table).outputs),
            _ => None,
        });
        tables.min().unwrap_or(1)
    }
}

/// The processor, with so many threads and the best instructions or those of that name.
fn processor(threads: u32, instructions: Option<&str>, activations: Activations) -> Executor {
    let machine = Native::new(Some(threads), instructions).expect("threads");
    Executor::cpu(Box::new(machine), activations)
}

/// The largest of rounding differences that reordered f32 sums may show, relative to the largest value.
const TOLERANCE: f32 = 2e-5;

/// The same where products are of halves: each factor is rounded to 11 bits.
const HALVES_TOLERANCE: f32 = 1.0 / 1024.0;

fn agree(what: &str, found: (f32, f32)) {
    agree_within(TOLERANCE, what, found);
}

fn agree_within(tolerance: f32, what: &str, (apart, greatest): (f32, f32)) {
    assert!(greatest > 0.0, "{what}: the reference is all zeros");
    assert!(apart <= tolerance * greatest.max(1.0), "{what}: {apart} apart, values up to {greatest}");
}

const NO_CACHE: CacheShape = CacheShape { layers: 0, kv_heads: 1, head_width: 2, context: 4096 };

/// A small counter-based generator: tests must not vary.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }
}

/// A plan of what `record` makes of an input of `width`: the plan, the input and the result, which is its logits.
fn plan(
    bench: &Bench,
    rows: u32,
    cache: CacheShape,
    width: u32,
    record: impl FnOnce(&mut Builder, View) -> View,
) -> (Plan, View, View) {
    let mut builder = Builder::new(&bench.catalogue, rows, cache);
    let x = builder.input("x", width);
    let y = record(&mut builder, x);
    (builder.finish(y), x, y)
}

#[test]
fn embed() {
    let mut bench = Bench::new(Variant::Shared, Some(SMALL_BINDING));
    for format in Format::ALL {
        for (vocab, width, rows) in [(3, 1, 1), (300, 36, 5), (1757, 100, 3)] {
            let (table, positions) = (bench.matrix(format, vocab, width), bench.matrix(format, 64, width));
            let (plan, _, y) = plan(&bench, rows, NO_CACHE, 1, |p, _| {
                let y = p.embed(table);
                p.embed_positions(y, positions);
                y
            });
            agree(&format!("embed {format:?} {vocab} x {width}"), bench.apart(&plan, &[], y, rows, 7));
        }
    }
    let parts = bench.catalogue.iter().map(|(_, layout)| layout.parts.len()).max();
    assert!(parts > Some(1), "a table in several parts is covered");
}

#[test]
fn norms() {
    let mut bench = Bench::new(Variant::Shared, None);
    for (width, rows) in [(1, 1), (3, 2), (127, 5), (576, 1), (1757, 3)] {
        let (gain, bias) = (bench.vector(width), bench.vector(width));
        let (rms, x, y) = plan(&bench, rows, NO_CACHE, width, |p, x| p.rms_norm("y", x, gain, 1e-5));
        agree(&format!("rms_norm {width}"), bench.apart(&rms, &[x], y, rows, 0));
        let (layer, x, y) = plan(&bench, rows, NO_CACHE, width, |p, x| p.layer_norm("y", x, gain, bias, 1e-5));
        agree(&format!("layer_norm {width}"), bench.apart(&layer, &[x], y, rows, 0));
    }
    for (heads, head_width) in [(1, 2), (3, 20), (5, 128)] {
        let gain = bench.vector(head_width);
        let (heads_norm, x, y) = plan(&bench, 3, NO_CACHE, heads * head_width + 7, |p, x| {
            let slice = p.slice(x, 7, heads * head_width);
            p.rms_norm_heads("y", slice, gain, head_width, 1e-6)
        });
        agree(&format!("rms_norm of {heads} heads"), bench.apart(&heads_norm, &[x], y, 3, 0));
    }
}

#[test]
fn epilogues_alone_and_in_matmuls() {
    use Activation::{GeluErf, GeluTanh, Identity, Relu, Silu};
    for &variant in Variant::ALL {
        let mut bench = Bench::new(variant, None);
        let (matrix, bias) = (bench.matrix(Format::Q8, 37, 64), bench.vector(37));
        for (activation, combine, with_bias, rows) in [
            (Silu, Combine::Store, true, 1),
            (GeluTanh, Combine::Add, true, 3),
            (GeluErf, Combine::Multiply, false, 1),
            (Relu, Combine::Store, false, 11),
            (Identity, Combine::Add, true, 1),
        ] {
            let epilogue = Epilogue { bias: with_bias.then_some(bias), activation, combine };
            for fused in [false, true] {
                let width = if fused { 64 } else { 37 };
                let (mut plan, x, to) = plan(&bench, rows, NO_CACHE, width, |p, _| p.input("y", 37));
                plan.steps.insert(
                    0,
                    match fused {
                        true => Step::Matmul { x, norm: None, matrix, epilogue, y: to },
                        false => Step::Pointwise { x, epilogue, y: to },
                    },
                );
                let what = format!("{epilogue:?} fused {fused}, {rows} rows");
                agree(&what, bench.apart(&plan, &[x, to], to, rows, 0));
            }
        }
    }
}

#[test]
fn rope() {
    let mut bench = Bench::new(Variant::Shared, None);
    for (heads, head_width, rotary) in [(1, 2, 2), (3, 5, 2), (3, 20, 12), (2, 64, 64), (5, 128, 32)] {
        let context = 50;
        let table = bench.vector(context * rotary);
        for pairing in [Pairing::Adjacent, Pairing::Halves] {
            let cache = CacheShape { layers: 0, kv_heads: 1, head_width, context };
            let (plan, x, y) = plan(&bench, 3, cache, 5 + heads * head_width, |p, x| {
                let slice = p.slice(x, 5, heads * head_width);
                p.rope("y", slice, table, rotary, pairing)
            });
            let what = format!("rope {heads} x {head_width}, {rotary} in {pairing:?}");
            agree(&what, bench.apart(&plan, &[x], y, 3, 41));
        }
    }
}

#[test]
fn last_row() {
    let mut bench = Bench::new(Variant::Shared, None);
    for width in [1, 2, 255, 257, 1757] {
        let (mut plan, x, y) = plan(&bench, 6, NO_CACHE, width, |p, x| p.output_rows(x, Output::Last));
        plan.steps.retain(|step| matches!(step, Step::LastRow { .. }));
        plan.choice = None;
        agree(&format!("last_row {width}"), bench.apart(&plan, &[x], y, 4, 0));
    }
}

#[test]
fn runs_beyond_the_plan_are_refused() {
    let mut bench = Bench::new(Variant::Shared, None);
    let table = bench.matrix(Format::F32, 10, 8);
    let cache = CacheShape { context: 16, ..NO_CACHE };
    let (plan, ..) = plan(&bench, 2, cache, 1, |p, _| p.embed(table));
    let prepared = bench.prepare(&plan);
    for (executor, prepared) in bench.executors.iter_mut().zip(prepared) {
        let mut code =
            |tokens: &[u32], position| executor.run(prepared, tokens, position, Readback::Nothing).unwrap_err().code();
        assert_eq!(code(&[], 0), "option");
        assert_eq!(code(&[1, 2, 3], 0), "option");
        assert_eq!(code(&[10], 0), "option");
        assert_eq!(code(&[1, 2], 15), "context-full");
        assert_eq!(code(&[1], u32::MAX), "context-full");
    }
}

#[test]
fn a_run_makes_nothing_on_the_device() {
    let mut bench = Bench::new(Variant::Shared, None);
    let table = bench.matrix(Format::Q4, 100, 64);
    let (plan, ..) = plan(&bench, 1, NO_CACHE, 1, |p, _| {
        let x = p.embed(table);
        let x = p.output_rows(x, Output::Last);
        p.matmul("logits", x, table)
    });
    let prepared = bench.prepare(&plan)[0];
    let gpu = &mut bench.executors[0];
    let before = gpu.counts();
    for position in 0..10 {
        gpu.run(prepared, &[3], position, Readback::Choice).unwrap();
        block_on(gpu.choices()).unwrap();
    }
    let after = gpu.counts();
    assert_eq!(after.buffers_created, before.buffers_created);
    assert_eq!(after.bind_groups_created, before.bind_groups_created);
    assert_eq!(after.pipelines_created, before.pipelines_created);
    assert_eq!(after.submits - before.submits, 10);
    assert_eq!(after.readbacks - before.readbacks, 10);
    assert_eq!(after.dispatches - before.dispatches, 40);
    assert_eq!(after.gpu_bytes, before.gpu_bytes);
}
