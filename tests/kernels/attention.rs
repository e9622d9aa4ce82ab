//! Attention over a cache that is full, read from every position that is a border of something.

use crate::{Bench, agree, plan};
use oriel::executor::Readback;
use oriel::gpu::GpuOptions;
use oriel::kernels::tuning::Choice;
use oriel::kernels::{CacheFormat, RowVariant, Tuning, Variant};
use oriel::plan::{CacheShape, Plan, View};
use pollster::block_on;

/// Query heads over a cache.
#[derive(Clone, Copy)]
struct Case {
    heads: u32,
    cache: CacheShape,
    format: CacheFormat,
    variant: RowVariant,
}

impl Case {
    /// The executors with a cache of random keys and values at every position.
    fn bench(&self) -> Bench {
        // Of several rows there is no variant by subgroups.
        let several = if self.variant == RowVariant::Lane { Variant::Lane } else { Variant::Shared };
        let tuning = Some(Tuning::all(several).with_row_variant(self.variant));
        let mut bench = Bench::with(GpuOptions { tuning, ..GpuOptions::default() });
        let CacheShape { kv_heads, head_width, context, .. } = self.cache;
        bench.cache(self.cache, self.format);
        let narrow = kv_heads * head_width;
        let rows = context.min(512);
        let (plan, x, _) = plan(&bench, rows, self.cache, 2 * narrow, |p, x| {
            p.store(p.slice(x, 0, narrow), p.slice(x, narrow, narrow), 1);
            p.slice(x, 0, 2 * narrow)
        });
        let prepared = bench.prepare(&plan);
        for position in (0..context).step_by(rows as usize) {
            let values = bench.random.values((rows * 2 * narrow) as usize);
            let tokens = vec![0; rows.min(context - position) as usize];
            for (executor, prepared) in bench.executors.iter_mut().zip(prepared) {
                executor.write_tensor(prepared, x.tensor, &values);
                executor.run(prepared, &tokens, position, Readback::Nothing).unwrap();
                block_on(executor.settle()).unwrap();
            }
        }
        bench
    }

    /// Attention of `rows` rows, whose queries don't stand at the start of their tensor.
    fn plan(&self, bench: &Bench, rows: u32) -> (Plan, View, View) {
        let wide = self.heads * self.cache.head_width;
        plan(bench, rows, self.cache, wide + 3, |p, x| {
            p.attention("y", p.slice(x, 3, wide), 1, self.heads, 2.0 / (self.cache.head_width as f32).sqrt())
        })
    }

    fn check(&self, bench: &mut Bench, rows: u32, positions: &[u32]) {
        let (plan, x, y) = self.plan(bench, rows);
        for &position in positions {
            let CacheShape { kv_heads, head_width, .. } = self.cache;
            let what = format!(
                "{:?} {:?} {}/{kv_heads} heads of {head_width}, {rows} rows at {position}",
                self.variant, self.format, self.heads
            );
            agree(&what, bench.apart(&plan, &[x], y, rows, position));
        }
    }
}

/// Every shape in every variant and every format of the cache that can hold it.
fn cases(shapes: &[(u32, u32, u32)], context: u32) -> Vec<Case> {
    let kinds = CacheFormat::ALL.iter().flat_map(|format| RowVariant::ALL.iter().map(|variant| (*format, *variant)));
    let shape = |&(heads, kv_heads, head_width), (format, variant)| {
        let cache = CacheShape { layers: 2, kv_heads, head_width, context };
        Case { heads, cache, format, variant }
    };
    let cases = kinds.flat_map(|kind| shapes.iter().map(move |sizes| shape(sizes, kind)));
    cases.filter(|case| case.format.check(case.cache).is_ok()).collect()
}

#[test]
fn attention_of_one_row() {
    let shapes =
        [(1, 1, 2), (6, 2, 12), (4, 4, 30), (9, 3, 64), (11, 1, 80), (41, 1, 4), (3, 1, 256), (5, 1, 96), (2, 2, 32)];
    for case in cases(&shapes, 770) {
        let positions = [0, 1, 63, 64, 65, 127, 255, 256, 257, 511, 512, 513, 769];
        case.check(&mut case.bench(), 1, &positions);
    }
}

#[test]
fn attention_of_one_row_over_more_than_the_splits_hold() {
    for case in cases(&[(2, 1, 4), (2, 1, 32)], 64 * 256 + 700) {
        case.check(&mut case.bench(), 1, &[64 * 256 - 1, 64 * 256, 64 * 256 + 699]);
    }
}

#[test]
fn attention_of_several_rows() {
    let shapes = [
        (1, 1, 2, 5),
        (6, 2, 12, 3),
        (4, 4, 30, 70),
        (9, 3, 64, 5),
        (7, 1, 80, 33),
        (41, 1, 4, 3),
        (2, 1, 256, 2),
        (6, 2, 96, 9),
    ];
    for (heads, kv_heads, head_width, rows) in shapes {
        let cases = cases(&[(heads, kv_heads, head_width)], 300).into_iter();
        for case in cases.filter(|case| case.variant != RowVariant::Subgroups) {
            let positions = [0, 1, 63, 64, 65, 129 - rows, 256 - rows, 300 - rows];
            case.check(&mut case.bench(), rows, &positions);
        }
    }
}

#[test]
fn splits_are_joined_only_where_there_are_several() {
    for case in cases(&[(9, 3, 64)], 770).iter().filter(|case| case.format == CacheFormat::F16) {
        let mut bench = case.bench();
        let (plan, ..) = case.plan(&bench, 1);
        let prepared = bench.prepare(&plan)[0];
        let gpu = &mut bench.executors[0];
        for (position, dispatches) in [(0, 1), (255, 1), (256, 2), (769, 2)] {
            let before = gpu.counts().dispatches;
            gpu.run(prepared, &[0], position, Readback::Nothing).unwrap();
            assert_eq!(gpu.counts().dispatches - before, dispatches, "{:?} at {position}", case.variant);
        }
    }
}

#[test]
fn a_cache_that_is_read_and_written_elsewhere_is_the_same() {
    for case in cases(&[(4, 2, 64)], 70).into_iter().filter(|case| case.variant == RowVariant::Shared) {
        let mut here = case.bench();
        let case = Case { cache: CacheShape { context: 100, ..case.cache }, ..case };
        let mut there = case.bench();
        for (from, to) in here.executors.iter_mut().zip(&mut there.executors) {
            let bytes = block_on(from.read_cache(61)).unwrap();
            to.write_cache(61, &bytes).unwrap();
            assert!(block_on(to.read_cache(61)).unwrap() == bytes, "{:?}", case.format);
        }
        case.check(&mut there, 1, &[60]);
        case.check(&mut there, 3, &[58]);
    }
}
