//! Attention over a cache that grows, in every format of the cache and every variant.

use crate::{Bench, agree, plan};
use oriel::kernels::{CacheFormat, Variant};
use oriel::plan::CacheShape;

#[test]
fn attention_over_a_cache_that_grows() {
    let cases = CacheFormat::ALL.iter().flat_map(|format| Variant::ALL.map(|variant| (*format, variant)));
    for (format, variant) in cases {
        for (heads, kv_heads, head_width, rows) in
            [(1, 1, 2, 1), (6, 2, 12, 3), (4, 4, 30, 70), (9, 3, 64, 5), (2, 1, 256, 2)]
        {
            let mut bench = Bench::new(variant, None);
            let cache = CacheShape { layers: 2, kv_heads, head_width, context: 300 };
            bench.cache(cache, format);
            let (wide, kv_width) = (heads * head_width, kv_heads * head_width);
            let (plan, x, y) = plan(&bench, rows, cache, wide + 2 * kv_width, |p, qkv| {
                let (q, k) = (p.slice(qkv, 0, wide), p.slice(qkv, wide, kv_width));
                let v = p.slice(qkv, wide + kv_width, kv_width);
                p.store(k, v, 1);
                p.attention("y", q, 1, heads, 1.0 / (head_width as f32).sqrt())
            });
            // From the start, on, across the border of a tile, and to the end of the context.
            for position in [0, rows, 2 * rows, 63, 64, 300 - rows] {
                let what = format!(
                    "{variant:?} {format:?} {heads}/{kv_heads} heads of {head_width}, {rows} rows at {position}"
                );
                agree(&what, bench.apart(&plan, &[x], y, rows, position));
            }
        }
    }
}
