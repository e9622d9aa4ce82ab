// For each slice of the vocabulary: the greatest logit after bias and penalties, its lowest token, and the mass of the
// slice, relative to it; and the same three of the logits as they are, where log-probabilities are asked for.
// A team of 64 lanes per slice, neighbours reading neighbouring vectors.
#import sampling
#import slices
#import slice_team

struct Params { width: u32, slices: u32, slice_bits: u32 }

@group(1) @binding(0) var<uniform>             params:   Params;
@group(1) @binding(1) var<storage, read>       logits:   array<vec4<u32>>; // [vocab], as bits
@group(1) @binding(2) var<storage, read>       sampling: Sampling;
@group(1) @binding(3) var<storage, read>       bias:     array<vec4<f32>>; // [vocab]
@group(1) @binding(4) var<storage, read>       counts:   array<vec4<u32>>; // [vocab]
@group(1) @binding(5) var<storage, read_write> partials: array<u32>;       // [6, slices]

override WORKGROUP: u32;
const TEAM: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let slice = group.x * (WORKGROUP / TEAM) + lane / TEAM;
    summarise(lane, slice, 0u, is_plain(), sampling.draws == 1u, sampling.inverse);
    if sampling.logprobs > 0u { summarise(lane, slice, 3u, true, true, 1.0); }
}

fn summarise(lane: u32, slice: u32, word: u32, plain: bool, weighed: bool, inverse: f32) {
    let span = span_of(slice) + vec2<u32>(lane % TEAM, 0u);
    let best = best_of_team(lane, greatest_of(span, TEAM, plain));
    var mass = 0.0;
    if weighed { mass = sum_of_team(lane, mass_of(span, TEAM, plain, value_of(best.x), inverse)); }
    if lane % TEAM == 0u && slice < params.slices {
        store_partial(slice, word, best.x);
        store_partial(slice, word + 1u, best.y);
        store_partial(slice, word + 2u, bitcast<u32>(mass));
    }
    workgroupBarrier(); // before the next summary
}
