
// What a team of TEAM lanes finds in a slice, through shared memory by halves. Every lane calls these in uniform control
// flow, with a barrier before the next time.
var<workgroup> bests: array<vec2<u32>, WORKGROUP>;
var<workgroup> sums:  array<f32, WORKGROUP>;

// The pair with the greatest key; the lowest token among equals.
fn best_of_team(lane: u32, mine: vec2<u32>) -> vec2<u32> {
    let member = lane % TEAM;
    bests[lane] = mine;
    workgroupBarrier();
    for (var half = TEAM / 2u; half > 0u; half /= 2u) {
        if member < half {
            let other = bests[lane + half];
            let own = bests[lane];
            if other.x > own.x || (other.x == own.x && other.y < own.y) { bests[lane] = other; }
        }
        workgroupBarrier();
    }
    return bests[lane - member];
}

fn sum_of_team(lane: u32, mine: f32) -> f32 {
    let member = lane % TEAM;
    sums[lane] = mine;
    workgroupBarrier();
    for (var half = TEAM / 2u; half > 0u; half /= 2u) {
        if member < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    return sums[lane - member];
}
