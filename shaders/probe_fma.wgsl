// y[i] = 12 chains of s = s * a + b: how fast multiply-adds of f32 are with all operands in registers.

struct Params { rounds: u32, lanes: u32, step: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read_write> y:      array<f32>; // [lanes]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // A half and a step that is 0, which the compiler can't know: the chains go to 2 and stay there.
    let a = 0.5 + f32(params.step);
    let b = vec4<f32>(1.0 + f32(params.step));
    var s = vec4<f32>(f32(id.x & 7u));
    var t = s + 1.0;
    var u = s + 2.0;
    for (var round = 0u; round < params.rounds; round++) {
        s = s * a + b;
        t = t * a + b;
        u = u * a + b;
        s = s * a + b;
        t = t * a + b;
        u = u * a + b;
        s = s * a + b;
        t = t * a + b;
        u = u * a + b;
        s = s * a + b;
        t = t * a + b;
        u = u * a + b;
    }
    y[id.x] = dot(s + t + u, vec4<f32>(1.0));
}
