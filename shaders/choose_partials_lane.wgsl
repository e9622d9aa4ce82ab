// For each slice of the vocabulary: the greatest logit after bias and penalties, its lowest token, and the mass of the
// slice, relative to it; and the same three of the logits as they are, where log-probabilities are asked for.
// One invocation per slice, without shared memory: for software rasterisers, where a barrier is very dear.
#import sampling
#import slices

struct Params { width: u32, slices: u32, slice_bits: u32 }

@group(1) @binding(0) var<uniform>             params:   Params;
@group(1) @binding(1) var<storage, read>       logits:   array<vec4<u32>>; // [vocab], as bits
@group(1) @binding(2) var<storage, read>       sampling: Sampling;
@group(1) @binding(3) var<storage, read>       bias:     array<vec4<f32>>; // [vocab]
@group(1) @binding(4) var<storage, read>       counts:   array<vec4<u32>>; // [vocab]
@group(1) @binding(5) var<storage, read_write> partials: array<u32>;       // [6, slices]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.slices { return; }
    summarise(id.x, 0u, is_plain(), sampling.draws == 1u, sampling.inverse);
    if sampling.logprobs > 0u { summarise(id.x, 3u, true, true, 1.0); }
}

fn summarise(slice: u32, word: u32, plain: bool, weighed: bool, inverse: f32) {
    let span = span_of(slice);
    let best = greatest_of(span, 1u, plain);
    store_partial(slice, word, best.x);
    store_partial(slice, word + 1u, best.y);
    if weighed {
        store_partial(slice, word + 2u, bitcast<u32>(mass_of(span, 1u, plain, value_of(best.x), inverse)));
    }
}
