// a[o] = sum over j of weights[o, j] * norm(x)[j] + bias[o]: the heads of queries, keys and values of one row. Queries and
// keys are rotated by position (ROTATION); queries become y, keys and values go into the cache.
// Four values of a head to a team of lanes: neighbours, or two and the two that they are paired with.
#import live
#import cells
#import cache
#import norm
#import multiply
#import team
#import weights

struct Params {
    heads: u32, kv_heads: u32, head_width: u32, rotary: u32, words: u32, capacity: u32, values_at: u32,
    quads: u32, blocks: u32, width: u32, epsilon: f32,
}

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>;  // [blocks * 8]
@group(1) @binding(2) var<storage, read>       gain:   array<vec4<f32>>;  // [blocks * 8]
// Cosines and sines, [context, rotary / 2, 2]; where nothing is rotated, the shift of a layer norm, [blocks * 8].
@group(1) @binding(3) var<storage, read>       shift:  array<vec4<f32>>;
@group(1) @binding(4) var<storage, read>       bias:   array<f32>;        // [heads + 2 kv_heads, head_width]
@group(1) @binding(5) var<storage, read_write> y:      array<f32>;        // [heads, head_width]
// Keys, and from pair values_at on values; where these wait for their block (STAGED), [2 kv_heads, head_width / 2].
@group(1) @binding(6) var<storage, read_write> cache:  array<CachePair>;

override HAS_BIAS: bool = false;
override STAGED: bool = false;
override ROTATION: u32 = 0u; // 0 none, 1 of neighbours 2i and 2i + 1, 2 of i and i + rotary / 2

// Where in its head a quad's values stand: first and first + 1, then second and second + 1.
struct Place { head: u32, first: u32, second: u32, rotated: bool }

fn place_of(quad: u32) -> Place {
    let quads = params.head_width / 4u;
    let head = quad / quads;
    let i = quad % quads;
    let rotated = ROTATION > 0u && i < params.rotary / 4u && head < params.heads + params.kv_heads;
    if ROTATION == 2u && rotated { return Place(head, i * 2u, i * 2u + params.rotary / 2u, rotated); }
    return Place(head, i * 4u, i * 4u + 2u, rotated);
}

fn rows_of(quad: u32) -> vec4<u32> {
    let place = place_of(quad);
    return place.head * params.head_width + vec4<u32>(place.first, place.first + 1u, place.second, place.second + 1u);
}

fn finish(quad: u32, sums: vec4<f32>) {
    let place = place_of(quad);
    let rows = rows_of(quad);
    var a = sums;
    if HAS_BIAS { a += vec4<f32>(bias[rows.x], bias[rows.y], bias[rows.z], bias[rows.w]); }
    if place.rotated {
        // Cosine and sine of the quad's first pair, then of its second.
        let turn = shift[live.position * (params.rotary / 4u) + quad % (params.head_width / 4u)];
        if ROTATION == 2u { a = a.xzyw; }
        a = vec4<f32>(
            a.x * turn.x - a.y * turn.y, a.x * turn.y + a.y * turn.x,
            a.z * turn.z - a.w * turn.w, a.z * turn.w + a.w * turn.z);
        if ROTATION == 2u { a = a.xzyw; }
    }
    if place.head < params.heads {
        y[rows.x] = a.x;
        y[rows.y] = a.y;
        y[rows.z] = a.z;
        y[rows.w] = a.w;
        return;
    }
    store(place.head - params.heads, place.first, a.xy);
    store(place.head - params.heads, place.second, a.zw);
}

// Two values from `d` on of a head of keys, or behind these of values.
fn store(head: u32, d: u32, pair: vec2<f32>) {
    var at = key_at(head, live.position, d / 4u) * 2u + (d % 4u) / 2u;
    if STAGED {
        at = (head * params.head_width + d) / 2u;
    } else if head >= params.kv_heads {
        at = params.values_at + value_at(head - params.kv_heads, live.position, d / 4u) * 2u + (d % 4u) / 2u;
    }
    cache[at] = pack_pair(pair);
}
