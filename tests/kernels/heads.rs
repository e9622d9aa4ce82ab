//! Queries, keys and values side by side: normed, rotated, and put where the attention reads them.

use crate::{Bench, agree, plan};
use oriel::format::Format;
use oriel::fuse::fuse;
use oriel::gpu::GpuOptions;
use oriel::kernels::matvec::Team;
use oriel::kernels::{CacheFormat, Tuning, Variant};
use oriel::plan::{CacheShape, Pairing, Step};

#[test]
fn heads_with_and_without_norms_and_rotation() {
    for format in CacheFormat::ALL {
        for (heads, kv_heads, head_width, rows) in
            [(1, 1, 5, 1), (6, 2, 12, 3), (9, 3, 64, 1), (4, 1, 80, 5), (2, 2, 256, 2), (6, 2, 96, 3)]
        {
            let context = 130;
            let cache = CacheShape { layers: 2, kv_heads, head_width, context };
            if format.check(cache).is_err() {
                continue;
            }
            let mut bench = Bench::new(Variant::Shared, None);
            bench.cache(cache, format);
            let (q_gain, k_gain) = (bench.vector(head_width), bench.vector(head_width));
            let (wide, narrow) = (heads * head_width, kv_heads * head_width);
            for (norms, rotary) in [(false, 0), (false, 4), (true, 0), (true, 2), (true, head_width & !1)] {
                let table = bench.vector(context * rotary.max(1));
                for pairing in [Pairing::Adjacent, Pairing::Halves] {
                    let (plan, x, y) = plan(&bench, rows, cache, wide + 2 * narrow, |p, x| {
                        let (mut q, mut k) = (p.slice(x, 0, wide), p.slice(x, wide, narrow));
                        if norms {
                            q = p.rms_norm_heads("q_norm", q, q_gain, head_width, 1e-6);
                            k = p.rms_norm_heads("k_norm", k, k_gain, head_width, 1e-6);
                        }
                        if rotary > 0 {
                            q = p.rope("q_rotated", q, table, rotary, pairing);
                            k = p.rope("k_rotated", k, table, rotary, pairing);
                        }
                        p.store(k, p.slice(x, wide + narrow, narrow), 1);
                        p.attention("y", q, 1, heads, 1.0 / (head_width as f32).sqrt())
                    });
                    let plan = fuse(&plan, &bench.catalogue);
                    let Step::Heads { y: queries, .. } = plan.steps[0] else { panic!("{:?}", plan.steps[0]) };
                    let what = format!("{format:?} {heads}/{kv_heads} of {head_width}, {norms}, {rotary} {pairing:?}");
                    for position in [0, rows, 62, context - rows] {
                        let what = format!("{what}, {rows} rows at {position}");
                        agree_but_for(format, &what, bench.apart(&plan, &[x], y, rows, position));
                        let queries = plan.whole(queries);
                        agree(&format!("{what}: queries"), bench.apart(&plan, &[x], queries, rows, position));
                    }
                }
            }
        }
    }
}

/// Values that other sums lead to may fall to the next step of the cache's format on their way into it.
fn agree_but_for(format: CacheFormat, what: &str, (apart, greatest): (f32, f32)) {
    let step = match format {
        CacheFormat::F32 => 0.0,
        CacheFormat::F16 => 1.0 / 2048.0,
        CacheFormat::Q8 => 1.0 / 127.0,
    };
    agree(what, ((apart - step * greatest).max(0.0), greatest));
}

/// In passes of one row the matmul of all heads splits them itself, but for odd heads.
#[test]
fn heads_of_a_matmul() {
    let (f32, f16, q8) = (CacheFormat::F32, CacheFormat::F16, CacheFormat::Q8);
    for (format, team) in [(f32, Team::T1), (f16, Team::T16), (f32, Team::S64), (q8, Team::T1), (q8, Team::S32)] {
        for (matrix, heads, kv_heads, head_width) in [
            (Format::F32, 1, 1, 8),
            (Format::Q4, 9, 3, 64),
            (Format::Q8, 4, 1, 80),
            (Format::F16, 2, 2, 6),
            (Format::F32, 3, 1, 96),
        ] {
            let (context, inputs) = (130, 100);
            let cache = CacheShape { layers: 2, kv_heads, head_width, context };
            if format.check(cache).is_err() {
                continue;
            }
            let tuning = Some(Tuning::default().with_team(team));
            let mut bench = Bench::with(GpuOptions { tuning, ..GpuOptions::default() });
            bench.cache(cache, format);
            let (wide, narrow) = (heads * head_width, kv_heads * head_width);
            let outputs = wide + 2 * narrow;
            let (matrix, bias) = (bench.matrix(matrix, outputs, inputs), bench.vector(outputs));
            let (gain, shift) = (bench.vector(inputs), bench.vector(inputs));
            for (norm, with_bias, rotary) in [(0, false, 4), (1, false, head_width & !3), (1, true, 4), (2, true, 0)] {
                let table = bench.vector(context * rotary.max(1));
                for pairing in [Pairing::Adjacent, Pairing::Halves] {
                    let (plain, x, y) = plan(&bench, 1, cache, inputs, |p, x| {
                        let h = match norm {
                            0 => x,
                            1 => p.rms_norm("h", x, gain, 1e-5),
                            _ => p.layer_norm("h", x, gain, shift, 1e-5),
                        };
                        let a = p.matmul("a", h, matrix);
                        let a = p.bias("biased", a, with_bias.then_some(bias));
                        let [mut q, mut k, v] = p.split(a, [wide, narrow, narrow]);
                        if rotary > 0 {
                            q = p.rope("q_rotated", q, table, rotary, pairing);
                            k = p.rope("k_rotated", k, table, rotary, pairing);
                        }
                        p.store(k, v, 1);
                        p.attention("y", q, 1, heads, 1.0 / (head_width as f32).sqrt())
                    });
                    let plan = fuse(&plain, &bench.catalogue);
                    let joined = matches!(plan.steps[0], Step::MatmulHeads { .. });
                    assert_eq!(joined, head_width % 4 == 0, "{:?}", plan.steps[0]);
                    let what =
                        format!("{format:?} {heads}/{kv_heads} of {head_width}, norm {norm}, {rotary} {pairing:?}");
                    for position in [0, 63, 64, context - 1] {
                        let apart = bench.apart(&plan, &[x], y, 1, position);
                        agree_but_for(format, &format!("{what} at {position}"), apart);
                        let queries = plan.whole(plan.steps[usize::from(!joined)].output().unwrap());
                        agree(&format!("{what}: queries"), bench.apart(&plan, &[x], queries, 1, position));
                    }
                }
            }
        }
    }
}
