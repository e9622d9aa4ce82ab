
// How the next token is chosen, and what that makes of a logit. Needs `params.width`, `sampling`, and in fours `logits`
// as bits, `bias` and `counts`.
//
// A logit is handled as a key: a word that orders as the values do. No value is compared as a float, so whether a compiler
// takes it that nothing is infinite or no number makes no difference.
struct Sampling {
    draws: u32,            // 0: the greatest is taken
    biased: u32,           // 1: `bias` counts
    penalised: u32,        // 1: `counts` counts
    logprobs: u32,         // 0: none are asked for; else one more than of how many of the likeliest tokens
    top_k: u32,            // 0: all
    top_p: u32,            // in 1 / 2^32; NONE: all
    temperature: f32,
    inverse: f32,          // 1 / temperature, kept finite
    top_p_rest: f32,       // ln(1 - top_p)
    min_p_below: f32,      // how far below the greatest a logit may be, 0 or less; 1: any far
    repetition: f32,
    frequency: f32,
    presence: f32,
    seed_low: u32,
    seed_high: u32,
}

const NONE: u32 = 0xffffffffu;
// Keys of infinity downwards, of a token that can't be chosen, and of what is past the end of the vocabulary.
const IMPOSSIBLE: u32 = 0u;
// The least key of what is no number or infinite upwards.
const BROKEN: u32 = 0xff000001u;
// What bias and penalties work on is cut to this, so that they can't overflow.
const GREATEST_LOGIT: f32 = 1e36;

// The bits, all turned for a negative value, else the sign alone, are in order; counted from infinity downwards on, what is
// below wraps to above all others. There is one zero.
fn keys_of(bits: vec4<u32>) -> vec4<u32> {
    let ordered = bits ^ (bitcast<vec4<u32>>(bitcast<vec4<i32>>(bits) >> vec4<u32>(31u)) | vec4<u32>(0x80000000u));
    return select(ordered, vec4<u32>(0x80000000u), ordered == vec4<u32>(0x7fffffffu)) - vec4<u32>(0x007fffffu);
}

fn value_of(key: u32) -> f32 {
    let ordered = key + 0x007fffffu;
    return bitcast<f32>(select(~ordered, ordered & 0x7fffffffu, ordered >= 0x80000000u));
}

// Whether logits are taken as they are.
fn is_plain() -> bool {
    return sampling.biased + sampling.penalised == 0u;
}

// Four logits: as the model gives them if `plain`, else after bias and penalties.
fn keys(at: u32, plain: bool) -> vec4<u32> {
    let inside = min(at, (params.width - 1u) / 4u);
    let bits = logits[inside];
    var keys = keys_of(bits);
    if !plain {
        var values = clamp(bitcast<vec4<f32>>(bits), vec4<f32>(-GREATEST_LOGIT), vec4<f32>(GREATEST_LOGIT));
        if sampling.biased == 1u { values += bias[inside]; }
        if sampling.penalised == 1u { values = penalise(values, counts[inside]); }
        let bounded = (keys != vec4<u32>(IMPOSSIBLE)) & (keys < vec4<u32>(BROKEN));
        keys = select(keys, keys_of(bitcast<vec4<u32>>(values)), bounded);
    }
    let left = params.width - min(params.width, at * 4u);
    return select(vec4<u32>(IMPOSSIBLE), keys, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left));
}

// `seen`: the lowest bit says whether a token stands in the prompt, the others how often it was generated.
fn penalise(values: vec4<f32>, seen: vec4<u32>) -> vec4<f32> {
    let repeated = select(values * sampling.repetition, values / sampling.repetition, values > vec4<f32>(0.0));
    let times = vec4<f32>(seen >> vec4<u32>(1u));
    let present = select(vec4<f32>(0.0), vec4<f32>(sampling.presence), seen > vec4<u32>(1u));
    return select(values, repeated, seen > vec4<u32>(0u)) - (times * sampling.frequency + present);
}

// exp((value - greatest) / temperature); `inverse` is that of the temperature. Nothing on the way can overflow.
fn weight(value: f32, greatest: f32, inverse: f32) -> f32 {
    let below = max(value * 0.5 - greatest * 0.5, -1e7);
    return exp(max(below * 2.0 * inverse, -80.0));
}
