// y[i] = eight chains of s = dot of the bytes of s and x, plus another chain: how fast packed products of i8 are with all
// operands in registers.

struct Params { rounds: u32, lanes: u32, step: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read_write> y:      array<u32>; // [lanes]

override WORKGROUP: u32;

fn next(s: u32, x: u32, other: u32) -> u32 { return bitcast<u32>(dot4I8Packed(s, x)) + other; }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x ^ 0x5a3c1e0fu;
    var s = vec4<u32>(id.x, id.x + 1u, id.x + 2u, id.x + 3u);
    var t = s + 4u;
    for (var round = 0u; round < params.rounds; round++) {
        s = vec4<u32>(next(s.x, x, t.x), next(s.y, x, t.y), next(s.z, x, t.z), next(s.w, x, t.w));
        t = vec4<u32>(next(t.x, x, s.x), next(t.y, x, s.y), next(t.z, x, s.z), next(t.w, x, s.w));
    }
    y[id.x] = s.x ^ s.y ^ s.z ^ s.w ^ t.x ^ t.y ^ t.z ^ t.w;
}
