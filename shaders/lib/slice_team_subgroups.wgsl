
// What the lanes of a workgroup, one team, find in a slice: by subgroups, and through shared memory what leaders found.
// Every lane calls these in uniform control flow, with a barrier before the next time.
var<workgroup> bests: array<vec2<u32>, WORKGROUP>;
var<workgroup> sums:  array<f32, WORKGROUP>;

// The pair with the greatest key; the lowest token among equals.
fn best_of_team(lane: u32, mine: vec2<u32>) -> vec2<u32> {
    let key = subgroupMax(mine.x);
    let token = subgroupMin(select(0xffffffffu, mine.y, mine.x == key));
    if leads(lane) { bests[lane] = vec2<u32>(key, token); }
    workgroupBarrier();
    var best = bests[leader_from(0u)];
    for (var i = leader_from(0u); i < WORKGROUP; i = leader_from(i + 1u)) {
        let other = bests[i];
        if other.x > best.x || (other.x == best.x && other.y < best.y) { best = other; }
    }
    return best;
}

fn sum_of_team(lane: u32, mine: f32) -> f32 {
    let of_subgroup = subgroupAdd(mine);
    if leads(lane) { sums[lane] = of_subgroup; }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = leader_from(0u); i < WORKGROUP; i = leader_from(i + 1u)) { sum += sums[i]; }
    return sum;
}
