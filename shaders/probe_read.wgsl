// y[i] = all words that invocation i reads of x, by exclusive or: how fast a kernel can read.

struct Params { rounds: u32, lanes: u32, step: u32 }

@group(1) @binding(0) var<uniform>             params: Params;           // rounds: words of a lane, a multiple of 4
@group(1) @binding(1) var<storage, read>       x:      array<vec4<u32>>; // [lanes * rounds]
@group(1) @binding(2) var<storage, read_write> y:      array<u32>;       // [lanes]

override WORKGROUP: u32;
override RUNS: bool = false; // neighbouring lanes read neighbouring words, or each lane a run of its own

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let start = select(id.x, id.x * params.rounds, RUNS);
    let step = select(params.lanes, 1u, RUNS);
    var all = vec4<u32>(0u);
    for (var i = 0u; i < params.rounds; i += 4u) {
        let at = start + i * step;
        all ^= x[at] ^ x[at + step] ^ x[at + 2u * step] ^ x[at + 3u * step];
    }
    y[id.x] = all.x ^ all.y ^ all.z ^ all.w;
}
