
// Sum over a workgroup. Every lane calls it; every lane gets the total.
var<workgroup> partial: array<f32, WORKGROUP>;

fn workgroup_sum(lane: u32, value: f32) -> f32 {
    workgroupBarrier(); // an earlier call may still be read
    partial[lane] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    return partial[0];
}
