
// What lanes add up together: by subgroups, and through shared memory what their leaders found. The lanes of a workgroup are
// one team. Every lane calls these in uniform control flow.

// Of four rows of a matrix, and of the squares of its inputs.
struct Totals { rows: vec4<f32>, square: f32 }

var<workgroup> partial:         array<vec4<f32>, WORKGROUP>;
var<workgroup> partial_squares: array<f32, WORKGROUP>;

fn totals(lane: u32, mine: Totals) -> Totals {
    let of_subgroup = Totals(subgroupAdd(mine.rows), subgroupAdd(mine.square));
    let is_leader = leads(lane);
    workgroupBarrier(); // an earlier sum may still be read
    if is_leader {
        partial[lane] = of_subgroup.rows;
        partial_squares[lane] = of_subgroup.square;
    }
    workgroupBarrier();
    var all = Totals(vec4<f32>(0.0), 0.0);
    for (var i = leader_from(0u); i < WORKGROUP; i = leader_from(i + 1u)) {
        all.rows += partial[i];
        all.square += partial_squares[i];
    }
    return all;
}

fn sum_of_lanes(lane: u32, value: vec4<f32>) -> f32 {
    let rows = totals(lane, Totals(value, 0.0)).rows;
    return rows.x + rows.y + rows.z + rows.w;
}
