
// Searches among the tokens that are left to draw from. Likelier than another is who has the greater key, and among equals
// the lower token: a limit (distance, token) keeps whoever is less far from the greatest key `top` than it says, and of
// those just as far the tokens up to its own. Counts and masses are whole numbers, so sums by atomics come out the same in
// any order. Needs `sampling`, `wide`, `together`, and in `params` slices and slice_bits.

// Most slices that a vocabulary is cut into, and values of a digit.
const SLICES: u32 = 512u;
const DIGIT_BITS: u32 = 9u;

var<workgroup> tops:   array<u32, SLICES>;              // the greatest key of each slice
var<workgroup> listed: array<u32, SLICES>;              // slices that are worth reading
var<workgroup> length: atomic<u32>;                     // of the list
var<workgroup> bins:   array<atomic<u32>, SLICES * 3u>; // by digit: low and high words of masses, and counts

// What a search goes by: the distance of tokens, each counting one or as much as it weighs, or the tokens' own order.
const BY_COUNT: u32 = 0u;
const BY_MASS: u32 = 1u;
const BY_TOKEN: u32 = 2u;

// The numbers from `low` to `high`, in bins of 2^shift: distances, or tokens if `tokens`, all or those at distance `tied`.
struct Digit { low: u32, high: u32, shift: u32, tokens: bool, tied: u32 }

// A weight in units of 2^-44: fine enough for the tail of any vocabulary below 2^20 tokens, and their sum fits.
fn mass_of_weight(weight: f32) -> vec2<u32> {
    let scaled = weight * 4096.0;
    let whole = floor(scaled);
    return vec2<u32>(u32((scaled - whole) * 4294967296.0), u32(whole));
}

fn weight_of_mass(mass: vec2<u32>) -> f32 {
    return f32(mass.y) / 4096.0 + f32(mass.x) / 17592186044416.0;
}

// The mass of a slice that stands in partials from `word` on, where `top` weighs 1.
fn mass_of_slice(slice: u32, word: u32, top: u32, inverse: f32) -> vec2<u32> {
    if tops[slice] == IMPOSSIBLE { return vec2<u32>(0u); }
    let sum = bitcast<f32>(partials[(word + 2u) * params.slices + slice]);
    return mass_of_weight(sum * weight(value_of(tops[slice]), value_of(top), inverse));
}

// The mass of all slices.
fn sum_of_slices(lane: u32, word: u32, top: u32, inverse: f32) -> vec2<u32> {
    workgroupBarrier();
    if lane < 2u { atomicStore(&bins[lane * SLICES], 0u); }
    workgroupBarrier();
    for (var slice = lane; slice < params.slices; slice += WORKGROUP) {
        add_mass(0u, mass_of_slice(slice, word, top, inverse));
    }
    workgroupBarrier();
    if lane == 0u { answer = vec4<u32>(mass_of_bin(0u), 0u, 0u); }
    return workgroupUniformLoad(&answer).xy;
}

fn is_kept(distance: u32, token: u32, limit: vec2<u32>) -> bool {
    return distance < limit.x || (distance == limit.x && token <= limit.y);
}

// The distance of a value `below` (0 or less) the greatest.
fn distance_of(top: u32, below: f32) -> u32 {
    return top - min(top, keys_of(vec4<u32>(bitcast<u32>(value_of(top) + below))).x);
}

fn nearer(limit: vec2<u32>, distance: u32) -> vec2<u32> {
    return select(limit, vec2<u32>(distance, NONE), distance < limit.x);
}

// A distance that keeps at least the `count` likeliest: that of the slice whose greatest key is so many-th among theirs.
fn reach(lane: u32, top: u32, count: u32) -> u32 {
    if lane == 0u { answer = vec4<u32>(NONE); }
    workgroupBarrier();
    for (var slice = lane; slice < params.slices; slice += WORKGROUP) {
        let mine = tops[slice];
        var rank = 1u;
        for (var other = 0u; other < params.slices; other++) {
            rank += u32(tops[other] > mine || (tops[other] == mine && other < slice));
        }
        if rank == count { answer.x = top - mine; }
    }
    return workgroupUniformLoad(&answer).x;
}

// Searches the tokens within `limit` for the one at which those up to it are enough: sampling.top_k of them, or in mass more
// than `share` / 2^32 of the whole. Distances, where they tie then tokens, are looked at digit by digit. Returns the limit
// that keeps no more than those; `limit` itself where all are not enough. `whole`: the mass of all if it is known, else 0.
// Where nothing was narrowed, a search by token begins with the partials.
fn search(
    lane: u32, top: u32, limit: vec2<u32>, by: u32, share: u32, whole: vec2<u32>, narrowed: bool,
) -> vec2<u32> {
    var goal = vec2<u32>(sampling.top_k - 1u, 0u);
    var digit = Digit(0u, limit.x, 0u, false, NONE);
    if by == BY_TOKEN { digit = Digit(0u, params.width - 1u, 0u, true, NONE); }
    var first = true;
    loop {
        digit.shift = (32u - DIGIT_BITS) - min(countLeadingZeros(digit.high - digit.low), 32u - DIGIT_BITS);
        let by_slice = by == BY_TOKEN && first;
        if by_slice { digit.shift = params.slice_bits; }
        prepare(lane, top, limit, digit);
        if by_slice && !narrowed {
            for (var slice = lane; slice < params.slices; slice += WORKGROUP) {
                add_mass(slice, mass_of_slice(slice, 0u, top, sampling.inverse));
            }
        } else {
            let plain = is_plain();
            let bits = params.slice_bits - 2u;
            let vectors = atomicLoad(&length) << bits;
            for (var i = lane; i < vectors; i += WORKGROUP) {
                sort((listed[i >> bits] << bits) | (i & ((1u << bits) - 1u)), plain, top, limit, digit, by);
            }
        }
        workgroupBarrier();
        let total = accumulate(lane, mass_of_bins(lane));
        if first && by != BY_COUNT {
            goal = scale_wide(select(whole, total, all(whole == vec2<u32>(0u))), share);
            // By mass the one that reaches the goal is enough, by token it must be passed.
            if by == BY_MASS { goal = subtract_wide(goal, vec2<u32>(u32(any(goal != vec2<u32>(0u))), 0u)); }
        }
        // The partials may have been summed with other roundings.
        if by == BY_TOKEN && !less_wide(goal, total) { goal = subtract_wide(total, min(total, vec2<u32>(1u, 0u))); }
        let hit = locate(lane, goal);
        if hit.x == NONE { break; }
        goal = hit.zw;
        digit.low += hit.x << digit.shift;
        digit.high = min(digit.high, digit.low + ((1u << digit.shift) - 1u));
        first = false;
        if digit.tokens {
            if digit.shift == 0u { return vec2<u32>(digit.tied, digit.low); }
        } else if hit.y == 1u {
            return vec2<u32>(digit.high, select(NONE, limit.y, digit.high == limit.x));
        } else if digit.shift == 0u {
            digit = Digit(0u, params.width - 1u, 0u, true, digit.low);
        }
    }
    return select(limit, vec2<u32>(NONE), by == BY_TOKEN);
}

// Clears the bins, and lists the slices that may hold what the digit is about, in no order.
fn prepare(lane: u32, top: u32, limit: vec2<u32>, digit: Digit) {
    workgroupBarrier();
    for (var i = lane; i < SLICES * 3u; i += WORKGROUP) { atomicStore(&bins[i], 0u); }
    if lane == 0u { atomicStore(&length, 0u); }
    workgroupBarrier();
    var distance = limit.x;
    if !digit.tokens { distance = digit.high; }
    if digit.tied != NONE { distance = digit.tied; }
    for (var slice = lane; slice < params.slices; slice += WORKGROUP) {
        let first = slice << params.slice_bits;
        let inside = first <= digit.high && first + (1u << params.slice_bits) > digit.low;
        if top - tops[slice] <= distance && (inside || !digit.tokens) { listed[atomicAdd(&length, 1u)] = slice; }
    }
    workgroupBarrier();
}

// Puts four tokens into the bins of their digits.
fn sort(at: u32, plain: bool, top: u32, limit: vec2<u32>, digit: Digit, by: u32) {
    let found = keys(at, plain);
    let distances = vec4<u32>(top) - found;
    if all(distances > vec4<u32>(limit.x)) { return; }
    for (var i = 0u; i < 4u; i++) {
        let token = at * 4u + i;
        let distance = distances[i];
        let number = select(distance, token, digit.tokens);
        let meant = is_kept(distance, token, limit) && (digit.tied == NONE || distance == digit.tied);
        if meant && number >= digit.low && number <= digit.high {
            let bin = (number - digit.low) >> digit.shift;
            atomicAdd(&bins[2u * SLICES + bin], 1u);
            if by == BY_COUNT {
                atomicAdd(&bins[bin], 1u);
            } else {
                add_mass(bin, mass_of_weight(weight(value_of(found[i]), value_of(top), sampling.inverse)));
            }
        }
    }
}

fn add_mass(bin: u32, mass: vec2<u32>) {
    let before = atomicAdd(&bins[bin], mass.x);
    let more = mass.y + u32(before + mass.x < before);
    if more > 0u { atomicAdd(&bins[SLICES + bin], more); }
}

fn mass_of_bin(bin: u32) -> vec2<u32> {
    return vec2<u32>(atomicLoad(&bins[bin]), atomicLoad(&bins[SLICES + bin]));
}

// Of a lane's own run of bins.
fn mass_of_bins(lane: u32) -> vec2<u32> {
    var sum = vec2<u32>(0u);
    for (var i = 0u; i < SLICES / WORKGROUP; i++) { sum = add_wide(sum, mass_of_bin(lane * (SLICES / WORKGROUP) + i)); }
    return sum;
}

// After `accumulate`: the first bin that with all before it is above `goal`, its count, and what is left of the goal there.
// NONE for the bin where all together are not.
fn locate(lane: u32, goal: vec2<u32>) -> vec4<u32> {
    var before = vec2<u32>(0u);
    if lane > 0u { before = shares[lane - 1u]; }
    if lane == 0u { answer = vec4<u32>(NONE); }
    workgroupBarrier();
    if less_wide(goal, shares[lane]) && !less_wide(goal, before) {
        var bin = lane * (SLICES / WORKGROUP);
        var rest = subtract_wide(goal, before);
        while !less_wide(rest, mass_of_bin(bin)) {
            rest = subtract_wide(rest, mass_of_bin(bin));
            bin += 1u;
        }
        answer = vec4<u32>(bin, atomicLoad(&bins[2u * SLICES + bin]), rest);
    }
    return workgroupUniformLoad(&answer);
}
