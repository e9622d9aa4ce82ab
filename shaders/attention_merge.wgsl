// y[h] = sum over splits of exp(m - greatest) sums / sum over splits of exp(m - greatest) total
// Joins what attention_decode left of each split: its sums, its maximum m and its total. One invocation per four values of a
// head.
#import live
#import splits

struct Params { heads: u32, head_width: u32, words: u32 }

@group(1) @binding(0) var<uniform>             params:   Params;
@group(1) @binding(1) var<storage, read>       partials: array<vec4<f32>>; // [heads, splits, words + 1]
@group(1) @binding(2) var<storage, read_write> y:        array<f32>;       // [heads, head_width]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let head = id.x / params.words;
    let word = id.x % params.words;
    if head >= params.heads { return; }
    let positions = live.position + 1u;
    let length = split_length(positions);
    let splits = (positions + length - 1u) / length;
    let step = params.words + 1u;
    let at = head * MOST_SPLITS * step;

    var greatest = -1e30;
    for (var i = 0u; i < splits; i++) { greatest = max(greatest, partials[at + i * step + params.words].x); }
    var total = 0.0;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < splits; i++) {
        let about = partials[at + i * step + params.words];
        let worth = exp(about.x - greatest);
        total += worth * about.y;
        sum += worth * partials[at + i * step + word];
    }
    for (var i = 0u; i < min(4u, params.head_width - word * 4u); i++) {
        y[head * params.head_width + word * 4u + i] = sum[i] / total;
    }
}
