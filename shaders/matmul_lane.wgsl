// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i])
// One invocation per 16 rows t by eight outputs o, without shared memory: for software rasterisers. A block of each of its
// eight rows of the matrix is decoded once, and meets the rows in use one by one, so none costs that is not there.
#import live
#import epilogue
#import activation
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
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
    let pitch = params.blocks * 8u;
    var sums: array<vec4<f32>, ROWS * 2u>;
    for (var block = 0u; block < params.blocks; block++) {
        let w0 = weight_block(low.x + block);
        let w1 = weight_block(low.y + block);
        let w2 = weight_block(low.z + block);
        let w3 = weight_block(low.w + block);
        let w4 = weight_block(high.x + block);
        let w5 = weight_block(high.y + block);
        let w6 = weight_block(high.z + block);
        let w7 = weight_block(high.w + block);
        var at = t * pitch + block * 8u;
        for (var j = 0u; j < rows; j++) {
            let v = Block(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
            sums[j * 2u] += vec4<f32>(product(v, w0), product(v, w1), product(v, w2), product(v, w3));
            sums[j * 2u + 1u] += vec4<f32>(product(v, w4), product(v, w5), product(v, w6), product(v, w7));
            at += pitch;
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

alias Block = array<vec4<f32>, 8>;

fn product(v: Block, w: Block) -> f32 {
    let sum = fma(v[7], w[7], fma(v[6], w[6], fma(v[5], w[5], fma(v[4], w[4],
        fma(v[3], w[3], fma(v[2], w[2], fma(v[1], w[1], v[0] * w[0])))))));
    return sum.x + sum.y + sum.z + sum.w;
}
