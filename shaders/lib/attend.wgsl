
// One query head against positions of the cache, four at a time, by one invocation: a running maximum and total (online
// softmax: Milakov and Gimelshein 2018, arXiv 1805.02867), so nothing grows with the positions.
// Needs keys and values, and in `params` head_width, words, capacity and scale.
const MOST_WORDS: u32 = 64u; // of the widest head: 256 values
// Less than any score; an infinity may be assumed away by a compiler.
const LEAST: f32 = -1e30;

var<private> query:    array<vec4<f32>, MOST_WORDS>;
var<private> sums:     array<vec4<f32>, MOST_WORDS>;
var<private> greatest: f32 = LEAST;
var<private> total:    f32 = 0.0;

fn take_query(at: u32) {
    for (var i = 0u; i < params.head_width; i++) { query[i / 4u][i % 4u] = q[at + i] * params.scale; }
}

// Of the four positions from `first` on only `count` count.
fn attend(head: u32, first: u32, count: u32) {
    let places = vec4<u32>(0u, 1u, 2u, 3u);
    let p = first + min(places, vec4<u32>(count - 1u));
    var at = vec4<u32>(key_at(head, p.x, 0u), key_at(head, p.y, 0u), key_at(head, p.z, 0u), key_at(head, p.w, 0u));
    var scores = vec4<f32>(0.0);
    for (var block = 0u; block < params.words; block += BLOCK_WORDS) {
        var of_block = vec4<f32>(0.0);
        for (var word = block; word < min(block + BLOCK_WORDS, params.words); word++) {
            let part = query[word];
            of_block += vec4<f32>(
                dot(part, unpack_cache(keys[at.x])), dot(part, unpack_cache(keys[at.y])),
                dot(part, unpack_cache(keys[at.z])), dot(part, unpack_cache(keys[at.w])),
            );
            at += TILE;
        }
        if CACHE_SCALES == 1u {
            of_block *= vec4<f32>(
                unpack_scale(keys[at.x]), unpack_scale(keys[at.y]), unpack_scale(keys[at.z]), unpack_scale(keys[at.w]),
            );
            at += TILE;
        }
        scores += of_block;
    }
    scores = select(vec4<f32>(LEAST), scores, places < vec4<u32>(count));
    let next = max(greatest, max(max(scores.x, scores.y), max(scores.z, scores.w)));
    let kept = exp(greatest - next);
    let shares = exp(scores - next);
    greatest = next;
    total = total * kept + shares.x + shares.y + shares.z + shares.w;
    at = vec4<u32>(value_at(head, p.x, 0u), value_at(head, p.y, 0u), value_at(head, p.z, 0u), value_at(head, p.w, 0u));
    for (var block = 0u; block < params.words; block += BLOCK_WORDS) {
        var worth = shares;
        if CACHE_SCALES == 1u {
            let scale = at + BLOCK_WORDS;
            worth *= vec4<f32>(
                unpack_scale(values[scale.x]), unpack_scale(values[scale.y]),
                unpack_scale(values[scale.z]), unpack_scale(values[scale.w]),
            );
        }
        for (var word = block; word < min(block + BLOCK_WORDS, params.words); word++) {
            sums[word] = sums[word] * kept
                + worth.x * unpack_cache(values[at.x]) + worth.y * unpack_cache(values[at.y])
                + worth.z * unpack_cache(values[at.z]) + worth.w * unpack_cache(values[at.w]);
            at += 1u;
        }
        at += CACHE_SCALES;
    }
}
