
// What one lane finds in a slice of the vocabulary: it reads every `step`-th vector (four logits) of `span`, from the first
// to before the last, plain or not. Needs `sampling`.

// The greatest key and the lowest token that has it.
fn greatest_of(span: vec2<u32>, step: u32, plain: bool) -> vec2<u32> {
    var greatest = IMPOSSIBLE;
    var place = span.x;
    for (var at = span.x; at < span.y; at += step) {
        let found = keys(at, plain);
        let most = max(max(found.x, found.y), max(found.z, found.w));
        if most > greatest {
            greatest = most;
            place = at;
        }
    }
    let same = keys(place, plain) == vec4<u32>(greatest);
    return vec2<u32>(greatest, place * 4u + select(select(select(3u, 2u, same.z), 1u, same.y), 0u, same.x));
}

// The sum of weights, where `greatest` has 1.
fn mass_of(span: vec2<u32>, step: u32, plain: bool, greatest: f32, inverse: f32) -> f32 {
    var sum = vec4<f32>(0.0);
    for (var at = span.x; at < span.y; at += step) {
        let found = keys(at, plain);
        let weights = vec4<f32>(
            weight(value_of(found.x), greatest, inverse), weight(value_of(found.y), greatest, inverse),
            weight(value_of(found.z), greatest, inverse), weight(value_of(found.w), greatest, inverse));
        sum += select(weights, vec4<f32>(0.0), found == vec4<u32>(IMPOSSIBLE));
    }
    return sum.x + sum.y + sum.z + sum.w;
}

// The vectors of a slice: none past the last slice.
fn span_of(slice: u32) -> vec2<u32> {
    let end = (params.width + 3u) / 4u;
    let bits = params.slice_bits - 2u;
    return min(vec2<u32>(slice << bits, (slice + 1u) << bits), vec2<u32>(end));
}

fn store_partial(slice: u32, word: u32, value: u32) {
    partials[word * params.slices + slice] = value;
}
