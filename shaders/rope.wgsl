// (y[a], y[b]) = (x[a] cos - x[b] sin, x[a] sin + x[b] cos) for each pair (a, b) of a head; the rest of a head as it is.
// One invocation per pair; the last value of an odd head has one to itself. Cosines and sines come from a table: WGSL's own
// are inexact for large angles.
#import live

struct Params {
    heads: u32, head_width: u32, rotary: u32, adjacent: u32,
    x_start: u32, x_stride: u32, y_stride: u32,
}

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>;       // [rows, heads, head_width]
@group(1) @binding(2) var<storage, read>       table:  array<vec2<f32>>; // [context, rotary / 2]: cosine, sine
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, heads, head_width]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pairs = (params.head_width + 1u) / 2u;
    let head = id.x / pairs;
    let i = id.x % pairs;
    if head >= params.heads { return; }
    let x_at = id.z * params.x_stride + params.x_start + head * params.head_width;
    let y_at = id.z * params.y_stride + head * params.head_width;
    let rotated = params.rotary / 2u;
    var a = 2u * i;
    var b = a + 1u;
    if i < rotated && params.adjacent == 0u {
        a = i;
        b = i + rotated;
    }
    if b >= params.head_width {
        y[y_at + a] = x[x_at + a];
        return;
    }
    let pair = vec2<f32>(x[x_at + a], x[x_at + b]);
    var turn = vec2<f32>(1.0, 0.0);
    if i < rotated { turn = table[(live.position + id.z) * rotated + i]; }
    y[y_at + a] = pair.x * turn.x - pair.y * turn.y;
    y[y_at + b] = pair.x * turn.y + pair.y * turn.x;
}
