// y[i] = sums over rounds of four blocks of weights times x: how fast the inner loop of a matrix-vector product is with
// its operands in registers. The blocks change from round to round, by a step that is 0, which the compiler can't know.
#import registers

struct Params { rounds: u32, lanes: u32, step: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read_write> y:      array<f32>; // [lanes]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    fill(id.x);
    let v = vec4<f32>(f32(id.x & 7u)) + vec4<f32>(0.0, 0.25, 0.5, 0.75);
    let x = array<vec4<f32>, 8>(v, v + 1.0, v + 2.0, v + 3.0, v + 4.0, v + 5.0, v + 6.0, v + 7.0);
    var sums = vec4<f32>(0.0);
    for (var round = 0u; round < params.rounds; round++) {
        sums += vec4<f32>(
            weight_dot(0u, x, v.x), weight_dot(1u, x, v.x), weight_dot(2u, x, v.x), weight_dot(3u, x, v.x));
        advance(params.step);
    }
    y[id.x] = sums.x + sums.y + sums.z + sums.w;
}
