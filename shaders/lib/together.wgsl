
// What the lanes of one workgroup find together. Every lane calls these in uniform control flow, and every lane gets the
// answer, in a way that a compiler sees it is the same for all. Needs `wide`.
var<workgroup> shares: array<vec2<u32>, WORKGROUP * 2u>;
var<workgroup> answer: vec4<u32>;

// The pair with the greatest key; the lowest token among equals.
fn best_of_lanes(lane: u32, mine: vec2<u32>) -> vec2<u32> {
    workgroupBarrier(); // an earlier result may still be read
    shares[lane] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            let own = shares[lane];
            let other = shares[lane + half];
            if other.x > own.x || (other.x == own.x && other.y < own.y) { shares[lane] = other; }
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&shares[0]);
}

// Leaves sums by lane, each with all before it (Hillis and Steele 1986), in the first half of `shares`: where an even number
// of steps ends, so WORKGROUP is a power of 4. Returns the total.
fn accumulate(lane: u32, mine: vec2<u32>) -> vec2<u32> {
    workgroupBarrier();
    shares[lane] = mine;
    workgroupBarrier();
    var half = 0u;
    for (var step = 1u; step < WORKGROUP; step *= 2u) {
        var sum = shares[half + lane];
        if lane >= step { sum = add_wide(sum, shares[half + lane - step]); }
        half = WORKGROUP - half;
        shares[half + lane] = sum;
        workgroupBarrier();
    }
    return workgroupUniformLoad(&shares[WORKGROUP - 1u]);
}
