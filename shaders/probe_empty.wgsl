// y[0] += 1, by one invocation: what a dispatch costs that has next to nothing to do, but to wait for the one before it.

struct Params { rounds: u32, lanes: u32, step: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read_write> y:      array<u32>; // [1]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u { y[0] += params.rounds; }
}
