
// Scores of a chunk of positions to shares of the softmax as far as it is known, by subgroups: a lane keeps its position's
// scores, and leaders tell what their subgroup found where their own scores stood. Needs `scores` and `kept`. Every lane
// calls `share` and `settle` in uniform control flow.

// By head: the greatest score so far, and the lane's part of the total of shares.
var<private> greatest: array<f32, 8> = array<f32, 8>(LEAST, LEAST, LEAST, LEAST, LEAST, LEAST, LEAST, LEAST);
var<private> total:    array<f32, 8>;

// Leaves the shares in place of the scores, and in `kept` what earlier sums are worth.
fn share(lane: u32) {
    let is_leader = leads(lane);
    var mine: array<f32, 8>;
    for (var h = 0u; h < GROUP; h++) {
        mine[h] = scores[h * WORKGROUP + lane];
        let most = subgroupMax(mine[h]);
        if is_leader { scores[h * WORKGROUP + lane] = most; }
    }
    workgroupBarrier();
    for (var h = 0u; h < GROUP; h++) {
        let before = greatest[h];
        var next = before;
        for (var i = leader_from(0u); i < WORKGROUP; i = leader_from(i + 1u)) {
            next = max(next, scores[h * WORKGROUP + i]);
        }
        let worth = exp(before - next);
        if lane == 0u { kept[h] = worth; }
        mine[h] = exp(mine[h] - next);
        total[h] = total[h] * worth + mine[h];
        greatest[h] = next;
    }
    workgroupBarrier();
    for (var h = 0u; h < GROUP; h++) { scores[h * WORKGROUP + lane] = mine[h]; }
    workgroupBarrier();
}

// Leaves the maxima in `kept` and, after a barrier, the totals for `whole`.
fn settle(lane: u32) {
    workgroupBarrier();
    let is_leader = leads(lane);
    for (var h = 0u; h < GROUP; h++) {
        let sum = subgroupAdd(total[h]);
        if is_leader { scores[h * WORKGROUP + lane] = sum; }
        if lane == 0u { kept[h] = greatest[h]; }
    }
}

fn whole(head: u32) -> f32 {
    var sum = 0.0;
    for (var i = leader_from(0u); i < WORKGROUP; i = leader_from(i + 1u)) { sum += scores[head * WORKGROUP + i]; }
    return sum;
}
