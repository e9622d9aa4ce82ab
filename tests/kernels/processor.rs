//! The processor by itself: every set of instructions, any number of threads, activations as whole numbers.

use crate::{NO_CACHE, Random, processor};
use oriel::cpu::{Activations, instructions};
use oriel::executor::{Executor, Readback};
use oriel::format::{Format, pack};
use oriel::fuse::fuse;
use oriel::kernels::CacheFormat;
use oriel::plan::{Activation, Builder, CacheShape, Pairing, Plan, View};
use oriel::weights::{Catalogue, Layout, Shape, Sink};
use pollster::block_on;

/// Weights that any number of executors are given.
#[derive(Default)]
struct Weights {
    catalogue: Catalogue,
    bytes: Vec<Vec<Vec<u8>>>,
}

impl Weights {
    fn add(&mut self, random: &mut Random, format: Format, shape: Shape) -> oriel::weights::WeightId {
        let layout = Layout::new(format, shape, 1 << 30).unwrap();
        let values = random.values(layout.outputs as usize * layout.inputs as usize);
        self.bytes.push(pack(&layout, &values).unwrap());
        let name = format!("w{}", self.bytes.len());
        self.catalogue.add(&name, layout)
    }

    /// What an executor makes of a plan: `y` after a run of `rows` rows from `position` on.
    fn run(&self, mut on: Executor, plan: &Plan, (x, y): (View, View), values: &[f32], rows: usize) -> Vec<f32> {
        for ((name, layout), parts) in self.catalogue.iter().zip(&self.bytes) {
            let id = on.allocate(name, layout).unwrap();
            for (part, bytes) in parts.iter().enumerate() {
                on.write(id, part, 0, bytes).unwrap();
            }
        }
        on.allocate_cache(plan.cache, CacheFormat::F16).unwrap();
        let prepared = on.prepare(plan, &self.catalogue).unwrap();
        on.write_tensor(prepared, x.tensor, values);
        on.run(prepared, &vec![0; rows], 0, Readback::Nothing).unwrap();
        block_on(on.read_tensor(prepared, y.tensor)).unwrap()
    }
}

/// A layer's worth of steps of `rows` rows: norm, heads, attention, gate, in formats that meet every matmul.
fn layer(rows: u32) -> (Weights, Plan, (View, View)) {
    let (mut weights, mut random) = (Weights::default(), Random(3));
    let (width, hidden, head_width, context) = (70, 77, 12, 48);
    let cache = CacheShape { layers: 1, kv_heads: 2, head_width, context };
    let mut vector = |width| weights.add(&mut random, Format::F32, Shape::Vector { width });
    let (gain, table) = (vector(width), vector(context * 10));
    let mut matrix = |format, outputs, inputs| weights.add(&mut random, format, Shape::Matrix { outputs, inputs });
    let qkv = matrix(Format::Q4, 10 * head_width, width);
    let out = matrix(Format::Q8, width, 6 * head_width);
    let up = matrix(Format::F16, 2 * hidden, width);
    let down = matrix(Format::F32, width, hidden);
    let mut p = Builder::new(&weights.catalogue, rows, cache);
    let x = p.input("x", width);
    let h = p.rms_norm("h", x, gain, 1e-5);
    let made = p.matmul("made", h, qkv);
    let [q, k, v] = p.split(made, [6 * head_width, 2 * head_width, 2 * head_width]);
    let (q, k) = (p.rope("q", q, table, 10, Pairing::Halves), p.rope("k", k, table, 10, Pairing::Halves));
    p.store(k, v, 0);
    let mixed = p.attention("mixed", q, 0, 6, 0.3);
    let mixed = p.matmul("out", mixed, out);
    p.add_into(x, mixed);
    let h = p.rms_norm("h2", x, gain, 1e-5);
    let made = p.matmul("made2", h, up);
    let [gate, up] = p.split(made, [hidden, hidden]);
    let y = p.activate("y", gate, Activation::Silu);
    p.multiply_into(y, up);
    let y = p.matmul("down", y, down);
    p.add_into(x, y);
    let plan = fuse(&p.finish(x), &weights.catalogue);
    (weights, plan, (x, x))
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for rows in [1, 2, 7, 33] {
        let (weights, plan, views) = layer(rows);
        let values = Random(9).values(rows as usize * 70);
        for activations in [Activations::F32, Activations::Int16, Activations::Int8] {
            let of = |threads| weights.run(processor(threads, None, activations), &plan, views, &values, rows as usize);
            let alone = of(1);
            assert!(alone.iter().all(|value| value.is_finite()) && alone.iter().any(|value| value.abs() > 0.1));
            for threads in [2, 3, 8] {
                assert_eq!(of(threads), alone, "{rows} rows, {threads} threads, {activations:?}");
            }
        }
    }
}

/// How far a matmul over whole numbers may be from the reference, for each root of its inputs: eight bits are half a step of
/// 127 off, sixteen half a step of 127 x 254.
const MATMUL_BOUNDS: [(Activations, f32); 2] = [(Activations::Int16, 1e-4), (Activations::Int8, 1e-2)];

/// The same for a whole layer, by the largest magnitude of its result. Its softmax, over scores of random weights, magnifies
/// what its first matmul loses.
const LAYER_BOUNDS: [(Activations, f32); 3] =
    [(Activations::F32, 2e-5), (Activations::Int16, 2e-3), (Activations::Int8, 2e-1)];

#[test]
fn every_set_of_instructions_agrees_with_the_reference() {
    assert!(instructions().contains(&"portable"));
    for rows in [1, 2, 3, 5, 33] {
        let (weights, plan, views) = layer(rows);
        let values = Random(11).values(rows as usize * 70);
        let expected = weights.run(Executor::reference(), &plan, views, &values, rows as usize);
        let greatest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        for name in instructions() {
            for (activations, bound) in LAYER_BOUNDS {
                let on = processor(2, Some(name), activations);
                let actual = weights.run(on, &plan, views, &values, rows as usize);
                let apart = actual.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let what = format!("{name}, {rows} rows, {activations:?}: {apart} apart, values up to {greatest}");
                // The cache rounds to f16: the other neighbour may be the nearer one.
                assert!(apart <= bound * greatest + greatest / 2048.0, "{what}");
            }
        }
    }
}

#[test]
fn whole_numbers_agree_with_the_reference_at_odd_sizes() {
    let mut random = Random(5);
    for format in [Format::Q4, Format::Q8] {
        for (outputs, inputs) in [(1, 1), (3, 33), (8, 32), (9, 64), (67, 127), (33, 1000)] {
            let mut weights = Weights::default();
            let matrix = weights.add(&mut random, format, Shape::Matrix { outputs, inputs });
            for rows in [1, 2, 3, 4, 5, 9] {
                let mut p = Builder::new(&weights.catalogue, rows, NO_CACHE);
                let x = p.input("x", inputs);
                let y = p.matmul("y", x, matrix);
                let plan = p.finish(y);
                let values = random.values((rows * inputs) as usize);
                let run = |on| weights.run(on, &plan, (x, y), &values, rows as usize);
                let expected = run(Executor::reference());
                let largest_sum = (inputs as f32).sqrt().max(1.0);
                for name in instructions() {
                    for (activations, bound) in MATMUL_BOUNDS {
                        let actual = run(processor(2, Some(name), activations));
                        let apart = actual.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                        let what = format!("{name} {format:?} {outputs} x {inputs}, {rows} rows, {activations:?}");
                        assert!(apart <= bound * largest_sum, "{what}: {apart} apart");
                    }
                }
            }
        }
    }
}

#[test]
fn instructions_that_there_are_not_are_refused() {
    let error = oriel::cpu::Native::new(Some(1), Some("altivec")).err().expect("no such instructions");
    assert_eq!(error.code(), "option");
    assert!(error.to_string().contains("portable"), "{error}");
}
