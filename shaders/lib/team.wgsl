
// What lanes add up together, through shared memory. Every lane calls these in uniform control flow.

// Of four rows of a matrix, and of the squares of its inputs.
struct Totals { rows: vec4<f32>, square: f32 }

var<workgroup> partial:         array<vec4<f32>, WORKGROUP>;
var<workgroup> partial_squares: array<f32, WORKGROUP>;
var<workgroup> parts:           array<vec4<f32>, WORKGROUP>;

// The sums over a team of TEAM neighbouring lanes, for the first of them.
fn totals(lane: u32, mine: Totals) -> Totals {
    if TEAM == 1u { return mine; }
    partial[lane] = mine.rows;
    partial_squares[lane] = mine.square;
    workgroupBarrier();
    for (var half = TEAM / 2u; half > 0u; half /= 2u) {
        if lane % TEAM < half {
            partial[lane] += partial[lane + half];
            partial_squares[lane] += partial_squares[lane + half];
        }
        workgroupBarrier();
    }
    return Totals(partial[lane], partial_squares[lane]);
}

// Two barriers and a read of every lane's part, rather than a tree: barriers are what costs.
fn sum_of_lanes(lane: u32, value: vec4<f32>) -> f32 {
    workgroupBarrier(); // an earlier sum may still be read
    parts[lane] = value;
    workgroupBarrier();
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < WORKGROUP; i++) { sum += parts[i]; }
    return sum.x + sum.y + sum.z + sum.w;
}
