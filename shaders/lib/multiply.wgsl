
// One row of inputs times a matrix: a team of lanes per four rows of the matrix, its members reading neighbouring blocks;
// their sums are added up by `team`. A team of one needs no barrier: what software rasterisers like.
// Needs `rows_of(quad)`: the four rows; `finish(quad, sums)`: what becomes of their sums; `params` with quads and blocks.
override WORKGROUP: u32;
override TEAM: u32 = 16u; // lanes that share four rows, a power of two
override QUADS: u32 = 1u; // of rows for each team; 2 only for teams of one, which share the loads of the inputs

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let norm = layer_norm(lane);
    let member = lane % TEAM;
    let first = ((group.x + group.y * groups.x) * (WORKGROUP / TEAM) + lane / TEAM) * QUADS;
    // Teams past the end repeat the last rows and write nothing, so that every lane meets the barriers.
    let last = params.quads - 1u;
    let rows = rows_of(min(first, last)) * params.blocks;
    let more_rows = rows_of(min(first + 1u, last)) * params.blocks;
    var sums = vec4<f32>(0.0);
    var more = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    for (var block = member; block < params.blocks; block += TEAM) {
        var v: array<vec4<f32>, 8>;
        var total = vec4<f32>(0.0);
        for (var i = 0u; i < 8u; i++) {
            let raw = x[block * 8u + i];
            if NORM == 1u { squares += raw * raw; }
            v[i] = input(block * 8u + i, raw, norm);
            total += v[i];
        }
        let sum = total.x + total.y + total.z + total.w;
        sums += vec4<f32>(
            weight_dot(rows.x + block, v, sum), weight_dot(rows.y + block, v, sum),
            weight_dot(rows.z + block, v, sum), weight_dot(rows.w + block, v, sum));
        if QUADS == 2u {
            more += vec4<f32>(
                weight_dot(more_rows.x + block, v, sum), weight_dot(more_rows.y + block, v, sum),
                weight_dot(more_rows.z + block, v, sum), weight_dot(more_rows.w + block, v, sum));
        }
    }
    let all = totals(lane, Totals(sums, squares.x + squares.y + squares.z + squares.w));
    let scale = late_scale(all.square);
    if member == 0u && first < params.quads { finish(first, all.rows * scale); }
    if QUADS == 2u && first + 1u < params.quads { finish(first + 1u, more * scale); }
}
