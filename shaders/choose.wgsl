// y[slot] = the next token, and the log-probabilities that were asked for; tokens[0] = the token, counts[token] += 2.
// One workgroup, which reads of the vocabulary only those slices that may hold what it looks for.
#import live
#import sampling
#import wide
#import philox
#import together
#import narrow

struct Params { width: u32, slices: u32, slice_bits: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params:   Params;
@group(1) @binding(1) var<storage, read>       logits:   array<vec4<u32>>; // [vocab], as bits
@group(1) @binding(2) var<storage, read>       sampling: Sampling;
@group(1) @binding(3) var<storage, read>       bias:     array<vec4<f32>>; // [vocab]
@group(1) @binding(4) var<storage, read>       partials: array<u32>;       // [6, slices]
@group(1) @binding(5) var<storage, read_write> counts:   array<vec4<u32>>; // [vocab]
@group(1) @binding(6) var<storage, read_write> tokens:   array<u32>;       // [rows]
@group(1) @binding(7) var<storage, read_write> y:        array<u32>;       // [slots, 48]

override WORKGROUP: u32;
override FULL: bool = true; // else it only merges: enough where nothing is drawn and no log-probability asked for

// Flags of a record. The first two are faults of the logits.
const NO_NUMBER: u32 = 1u;
const NONE_FINITE: u32 = 2u;
const LOGPROBS: u32 = 4u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    let y_at = live.slot * params.y_stride;
    let greatest = merge(lane, 0u);
    var token = greatest.y;
    var fault = 0u;
    if greatest.x == IMPOSSIBLE { fault = NONE_FINITE; }
    if greatest.x >= BROKEN { fault = NO_NUMBER; }
    if FULL && fault == 0u && sampling.draws == 1u { token = draw(lane, greatest); }
    if lane == 0u { record(y_at, token, fault); }
    if FULL && fault == 0u && sampling.logprobs > 0u { report(lane, y_at, token); }
}

fn record(y_at: u32, token: u32, fault: u32) {
    y[y_at] = select(NONE, token, fault == 0u);
    y[y_at + 1u] = fault + select(0u, LOGPROBS, sampling.logprobs > 0u);
    y[y_at + 2u] = 0u;
    y[y_at + 3u] = 0u;
    if fault == 0u {
        tokens[0] = token;
        if sampling.penalised == 1u { counts[token / 4u][token % 4u] += 2u; }
    }
}

// Reads a row of partials' keys into `tops`, the tokens that have them into `listed`; returns the greatest with its token.
fn merge(lane: u32, word: u32) -> vec2<u32> {
    workgroupBarrier(); // an earlier row may still be read
    var best = vec2<u32>(0u, NONE);
    for (var slice = lane; slice < params.slices; slice += WORKGROUP) {
        let key = partials[word * params.slices + slice];
        let token = partials[(word + 1u) * params.slices + slice];
        tops[slice] = key;
        listed[slice] = token;
        if key > best.x { best = vec2<u32>(key, token); }
    }
    return best_of_lanes(lane, best);
}

// Narrows by top-k, top-p and min-p, in this order, and draws by mass from what is left, in the order of the tokens.
fn draw(lane: u32, greatest: vec2<u32>) -> u32 {
    let top = greatest.x;
    var limit = vec2<u32>(top - IMPOSSIBLE - 1u, NONE);
    var narrowed = false;
    // One search for all three: compilers put a copy wherever a function is called.
    for (var by = BY_COUNT; by <= BY_TOKEN; by++) {
        var share = sampling.top_p;
        var whole = vec2<u32>(0u);
        if by == BY_COUNT {
            if sampling.top_k == 0u { continue; }
            if sampling.top_k <= params.slices { limit = nearer(limit, reach(lane, top, sampling.top_k)); }
        } else if by == BY_MASS {
            if sampling.top_p == NONE { continue; }
            if !narrowed {
                whole = sum_of_slices(lane, 0u, top, sampling.inverse);
                // All tokens together that are so far off are too few to be missed: a bound, so it is taken generously.
                let rest = sampling.top_p_rest + log(weight_of_mass(whole)) - log(f32(params.width)) - 0.001;
                limit = nearer(limit, distance_of(top, rest * sampling.temperature));
            }
        } else {
            if sampling.min_p_below <= 0.0 {
                limit = nearer(limit, distance_of(top, sampling.min_p_below));
                narrowed = true;
            }
            share = philox(live.place, vec2<u32>(sampling.seed_low, sampling.seed_high));
        }
        limit = search(lane, top, limit, by, share, whole, narrowed);
        narrowed = true;
    }
    return select(limit.y, greatest.y, limit.y == NONE);
}

// Log-probabilities by the logits as they are: of the token, and of the likeliest, found one after the other.
fn report(lane: u32, y_at: u32, token: u32) {
    let top = merge(lane, 3u);
    let norm = log(weight_of_mass(sum_of_slices(lane, 3u, top.x, 1.0)));
    var best = top;
    var count = 0u;
    while count < sampling.logprobs - 1u && best.x != IMPOSSIBLE {
        if lane == 0u {
            y[y_at + 4u + count * 2u] = best.y;
            y[y_at + 5u + count * 2u] = logprob(best.x, top.x, norm);
        }
        count += 1u;
        best = next_best(lane, best);
    }
    if lane == 0u {
        y[y_at + 2u] = logprob(keys(token / 4u, true)[token % 4u], top.x, norm);
        y[y_at + 3u] = count;
    }
}

fn logprob(key: u32, top: u32, norm: f32) -> u32 {
    return bitcast<u32>(2.0 * max(value_of(key) * 0.5 - value_of(top) * 0.5, -1.7e38) - norm);
}

// The best token after `last`, which was the best of its slice.
fn next_best(lane: u32, last: vec2<u32>) -> vec2<u32> {
    let slice = last.y >> params.slice_bits;
    let span = 1u << (params.slice_bits - 2u);
    var mine = vec2<u32>(0u, NONE);
    for (var i = lane; i < span; i += WORKGROUP) {
        let at = slice * span + i;
        let found = keys(at, true);
        for (var n = 0u; n < 4u; n++) {
            let after = found[n] < last.x || (found[n] == last.x && at * 4u + n > last.y);
            if after && found[n] > mine.x { mine = vec2<u32>(found[n], at * 4u + n); }
        }
    }
    let next = best_of_lanes(lane, mine);
    if lane == slice % WORKGROUP {
        tops[slice] = next.x;
        listed[slice] = next.y;
    }
    mine = vec2<u32>(0u, NONE);
    for (var other = lane; other < params.slices; other += WORKGROUP) {
        if tops[other] > mine.x { mine = vec2<u32>(tops[other], listed[other]); }
    }
    return best_of_lanes(lane, mine);
}
