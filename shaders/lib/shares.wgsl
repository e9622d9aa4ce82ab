
// Scores of a chunk of positions to shares of the softmax as far as it is known, by a team of lanes for each head. Needs
// `scores` and `kept`. Every lane calls `share` and `settle` in uniform control flow.

// Lanes that together find the maximum of a head's scores; WORKGROUP is at least as many for each of GROUP heads.
const TEAM: u32 = 16u;

var<workgroup> partial: array<f32, WORKGROUP>; // [GROUP, TEAM]

// Of the head of the lane's team: the greatest score so far, and the lane's part of the total of shares.
var<private> greatest: f32 = LEAST;
var<private> total:    f32 = 0.0;

// Leaves the shares in place of the scores, and in `kept` what earlier sums are worth.
fn share(lane: u32) {
    workgroupBarrier();
    let head = lane / TEAM;
    var most = LEAST;
    for (var i = lane % TEAM; head < GROUP && i < WORKGROUP; i += TEAM) {
        most = max(most, scores[head * WORKGROUP + i]);
    }
    partial[lane] = most;
    workgroupBarrier();
    if head < GROUP {
        let before = greatest;
        for (var i = 0u; i < TEAM; i++) { greatest = max(greatest, partial[head * TEAM + i]); }
        let worth = exp(before - greatest);
        if lane % TEAM == 0u { kept[head] = worth; }
        total *= worth;
        for (var i = lane % TEAM; i < WORKGROUP; i += TEAM) {
            let share = exp(scores[head * WORKGROUP + i] - greatest);
            scores[head * WORKGROUP + i] = share;
            total += share;
        }
    }
    workgroupBarrier();
}

// Leaves the maxima in `kept` and, after a barrier, the totals for `whole`.
fn settle(lane: u32) {
    workgroupBarrier();
    partial[lane] = total;
    if lane % TEAM == 0u && lane / TEAM < GROUP { kept[lane / TEAM] = greatest; }
}

fn whole(head: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < TEAM; i++) { sum += partial[head * TEAM + i]; }
    return sum;
}
