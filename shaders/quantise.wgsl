// q[t, block] = x[t, block] as whole numbers and a scale: x is about scale * n, of n in -32639 to 32639 by two planes of
// bytes, n = 256 * high + low, or of n in -127 to 127 by one.
// One invocation per block of 32 values of a row: what products of packed bytes take.
requires packed_4x8_integer_dot_product;

#import live
#import planes

struct Params { blocks: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
@group(1) @binding(2) var<storage, read_write> q:      array<vec4<u32>>; // [rows, blocks, WORDS]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.blocks || id.z >= live.rows { return; }
    let block = id.z * params.blocks + id.x;
    var values: array<vec4<f32>, 8>;
    var most = vec4<f32>(0.0);
    for (var i = 0u; i < 8u; i++) {
        values[i] = x[block * 8u + i];
        most = max(most, abs(values[i]));
    }
    let greatest = max(max(most.x, most.y), max(most.z, most.w));
    // A block of zeros stays one; so does one whose scale's inverse would be infinite.
    let inverse = select(0.0, GREATEST / greatest, greatest > 1e-30);
    let to = block * WORDS;
    var total = vec4<i32>(0);
    for (var half = 0u; half < 2u; half++) {
        var high: vec4<u32>;
        var low: vec4<u32>;
        for (var i = 0u; i < 4u; i++) {
            let n = vec4<i32>(round(values[half * 4u + i] * inverse));
            total += n;
            // Only the lowest eight bits of each are taken.
            low[i] = pack4xI8(n);
            high[i] = pack4xI8((n + 128) >> vec4<u32>(8u));
        }
        if PLANES == 2u {
            q[to + half] = high;
            q[to + 2u + half] = low;
        } else {
            q[to + half] = low;
        }
    }
    let scale = greatest / GREATEST;
    let sum = scale * f32(total.x + total.y + total.z + total.w);
    q[to + WORDS - 1u] = vec4<u32>(bitcast<u32>(scale), bitcast<u32>(sum), 0u, 0u);
}
