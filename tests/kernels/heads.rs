//! Queries, keys and values side by side: normed, rotated, and put where the attention reads them.

use crate::{Bench, agree, plan};
use oriel::fuse::fuse;
use oriel::kernels::{CacheFormat, Variant};
use oriel::plan::{CacheShape, Pairing, Step};

#[test]
fn heads_with_and_without_norms_and_rotation() {
    for format in CacheFormat::ALL {
        for (heads, kv_heads, head_width, rows) in
            [(1, 1, 5, 1), (6, 2, 12, 3), (9, 3, 64, 1), (4, 1, 80, 5), (2, 2, 256, 2)]
        {
            let mut bench = Bench::new(Variant::Shared, None);
            let context = 130;
            let cache = CacheShape { layers: 2, kv_heads, head_width, context };
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
                        agree(&what, bench.apart(&plan, &[x], y, rows, position));
                        let queries = plan.whole(queries);
                        agree(&format!("{what}: queries"), bench.apart(&plan, &[x], queries, rows, position));
                    }
                }
            }
        }
    }
}
