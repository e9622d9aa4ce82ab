// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i]), x being whole numbers
// As matmul_lane, by products of packed bytes: one invocation per 16 rows t by eight outputs o, without shared memory.
requires packed_4x8_integer_dot_product;

#import live
#import planes
#import packed
#import epilogue
#import activation
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       q:      array<vec4<u32>>; // [rows, blocks, WORDS]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]

override WORKGROUP: u32;

const ROWS: u32 = 16u;
const OUTPUTS: u32 = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = (id.x + id.y * groups.x * WORKGROUP) * OUTPUTS;
    if first >= params.outputs { return; }
    // Outputs past the last one repeat it and are not written.
    let last = vec4<u32>(params.outputs - 1u);
    let low = min(vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u), last) * params.blocks;
    let high = min(vec4<u32>(first) + vec4<u32>(4u, 5u, 6u, 7u), last) * params.blocks;
    let t = id.z * ROWS;
    let rows = min(ROWS, min(live.rows, params.rows) - t);
    var sums: array<vec4<f32>, ROWS * 2u>;
    for (var block = 0u; block < params.blocks; block++) {
        let w0 = weight_bytes(low.x + block);
        let w1 = weight_bytes(low.y + block);
        let w2 = weight_bytes(low.z + block);
        let w3 = weight_bytes(low.w + block);
        let w4 = weight_bytes(high.x + block);
        let w5 = weight_bytes(high.y + block);
        let w6 = weight_bytes(high.z + block);
        let w7 = weight_bytes(high.w + block);
        let low_scales = vec4<f32>(w0.pair.x, w1.pair.x, w2.pair.x, w3.pair.x);
        let high_scales = vec4<f32>(w4.pair.x, w5.pair.x, w6.pair.x, w7.pair.x);
        let low_minima = vec4<f32>(w0.pair.y, w1.pair.y, w2.pair.y, w3.pair.y);
        let high_minima = vec4<f32>(w4.pair.y, w5.pair.y, w6.pair.y, w7.pair.y);
        var at = (t * params.blocks + block) * WORDS;
        for (var j = 0u; j < rows; j++) {
            var v = Numbers(q[at], q[at + 1u], vec4<u32>(0u), vec4<u32>(0u));
            if PLANES == 2u {
                v.c = q[at + 2u];
                v.d = q[at + 3u];
            }
            let pair = bitcast<vec2<f32>>(q[at + WORDS - 1u].xy);
            let i = j * 2u;
            let some = vec4<f32>(vec4<i32>(product(v, w0), product(v, w1), product(v, w2), product(v, w3)));
            let more = vec4<f32>(vec4<i32>(product(v, w4), product(v, w5), product(v, w6), product(v, w7)));
            sums[i] += some * (pair.x * low_scales);
            sums[i + 1u] += more * (pair.x * high_scales);
            if HAS_MINIMUM {
                sums[i] += pair.y * low_minima;
                sums[i + 1u] += pair.y * high_minima;
            }
            at += params.blocks * WORDS;
        }
    }
    for (var j = 0u; j < rows; j++) {
        for (var i = 0u; i < OUTPUTS; i++) {
            if first + i < params.outputs {
                write(t + j, params.first_output + first + i, sums[j * 2u + i / 4u][i % 4u]);
            }
        }
    }
}

// A block of a row: high bytes, then the low ones.
struct Numbers { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32> }

fn product(v: Numbers, w: Bytes) -> i32 {
    let sum = dots(v.a, w.low) + dots(v.b, w.high);
    if PLANES == 1u { return sum; }
    return (sum << 8u) + dots(v.c, w.low) + dots(v.d, w.high);
}
