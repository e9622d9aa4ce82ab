
// y[row, i] = combine(y[row, i], activation(value + bias[i])). Needs `bias`, `y`, in `params` y_start and y_stride, and
// the import of `activation`.
override COMBINE: u32 = 0u;    // 0 store, 1 add, 2 multiply

fn write(row: u32, i: u32, value: f32) {
    var v = value;
    if HAS_BIAS { v += bias[i]; }
    v = activate(v);
    let at = row * params.y_stride + params.y_start + i;
    if COMBINE == 1u { v = y[at] + v; }
    if COMBINE == 2u { v = y[at] * v; }
    y[at] = v;
}
