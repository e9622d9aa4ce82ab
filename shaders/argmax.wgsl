// y[t] = the lowest i with the greatest x[t, i]; all ones where an x[t, i] is no number, or is infinite upwards.
// One workgroup per row t.

struct Params { width: u32, x_start: u32, x_stride: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>; // [rows, width]
@group(1) @binding(2) var<storage, read_write> y:      array<u32>; // [rows, 1]

override WORKGROUP: u32;

// Of a row that has no greatest value.
const NONE: u32 = 0xffffffffu;

var<workgroup> values:  array<f32, WORKGROUP>;
var<workgroup> indices: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x_at = group.z * params.x_stride + params.x_start;
    // A lane without a value repeats the first one, which no other lane loses to.
    var index = select(0u, lane, lane < params.width);
    var value = x[x_at + index];
    var broken = is_broken(value);
    for (var i = lane + WORKGROUP; i < params.width; i += WORKGROUP) {
        let candidate = x[x_at + i];
        broken = broken || is_broken(candidate);
        if candidate > value {
            value = candidate;
            index = i;
        }
    }
    if broken { index = NONE; }
    values[lane] = value;
    indices[lane] = index;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            let other = lane + half;
            let whole = indices[lane] != NONE;
            let greater = values[other] > values[lane];
            let earlier = values[other] == values[lane] && indices[other] < indices[lane];
            if whole && (greater || earlier || indices[other] == NONE) {
                values[lane] = values[other];
                indices[lane] = indices[other];
            }
        }
        workgroupBarrier();
    }
    if lane == 0u { y[group.z * params.y_stride] = indices[0]; }
}

// By the bits: a compiler may take it that there are no such values. Infinity downwards is a value like any other.
fn is_broken(value: f32) -> bool {
    let bits = bitcast<u32>(value);
    return (bits & 0x7f800000u) == 0x7f800000u && bits != 0xff800000u;
}
