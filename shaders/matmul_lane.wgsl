// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i])
// One invocation per eight rows t by four outputs o in registers, without shared memory: for software rasterisers.
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

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = (id.x + id.y * groups.x * WORKGROUP) * 4u;
    if first >= params.outputs { return; }
    let last = params.outputs - 1u;
    let w_at = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last)) * params.blocks;
    // Rows past the last one in use repeat it and are not written.
    let t = id.z * 8u;
    let rows = min(live.rows, params.rows);
    let most = vec4<u32>(rows - 1u);
    let pitch = params.blocks * 8u;
    let low = min(vec4<u32>(t, t + 1u, t + 2u, t + 3u), most) * pitch;
    let high = min(vec4<u32>(t + 4u, t + 5u, t + 6u, t + 7u), most) * pitch;
    var sums = array<vec4<f32>, 8>();
    for (var block = 0u; block < params.blocks; block++) {
        let w0 = weight_block(w_at.x + block);
        let w1 = weight_block(w_at.y + block);
        let w2 = weight_block(w_at.z + block);
        let w3 = weight_block(w_at.w + block);
        let at = block * 8u;
        sums[0] += products(low.x + at, w0, w1, w2, w3);
        sums[1] += products(low.y + at, w0, w1, w2, w3);
        sums[2] += products(low.z + at, w0, w1, w2, w3);
        sums[3] += products(low.w + at, w0, w1, w2, w3);
        sums[4] += products(high.x + at, w0, w1, w2, w3);
        sums[5] += products(high.y + at, w0, w1, w2, w3);
        sums[6] += products(high.z + at, w0, w1, w2, w3);
        sums[7] += products(high.w + at, w0, w1, w2, w3);
    }
    for (var j = 0u; j < 8u; j++) {
        for (var i = 0u; i < 4u; i++) {
            if t + j < rows && first + i < params.outputs {
                write(t + j, params.first_output + first + i, sums[j][i]);
            }
        }
    }
}

alias Block = array<vec4<f32>, 8>;

// Four outputs of a block of x.
fn products(at: u32, w0: Block, w1: Block, w2: Block, w3: Block) -> vec4<f32> {
    let v = Block(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
    return vec4<f32>(product(v, w0), product(v, w1), product(v, w2), product(v, w3));
}

fn product(v: Block, w: Block) -> f32 {
    let sum = v[0] * w[0] + v[1] * w[1] + v[2] * w[2] + v[3] * w[3]
        + v[4] * w[4] + v[5] * w[5] + v[6] * w[6] + v[7] * w[7];
    return sum.x + sum.y + sum.z + sum.w;
}
