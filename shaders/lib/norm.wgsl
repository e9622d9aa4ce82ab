
// The inputs of a matrix of one row, normed on the way: needs `x`, `gain` and `shift` as vec4<f32>, and in `params` blocks,
// width and epsilon, and the import of `team`.
override NORM: u32 = 0u; // 0 as they are, 1 to unit mean square, 2 to mean 0 and variance 1

// What a norm subtracts first and multiplies by last.
struct Norm { mean: f32, scale: f32 }

// A layer norm's mean and scale, by all lanes together, in two passes: exact where the mean is large. Every lane calls it.
fn layer_norm(lane: u32) -> Norm {
    if NORM != 2u { return Norm(0.0, 1.0); }
    let width = f32(params.width);
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < params.blocks * 8u; i += WORKGROUP) { sum += x[i]; } // padding is zero
    let mean = sum_of_lanes(lane, sum) / width;
    var squares = vec4<f32>(0.0);
    for (var i = lane; i < params.blocks * 8u; i += WORKGROUP) {
        let column = vec4<u32>(i * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        let away = select(vec4<f32>(0.0), x[i] - mean, column < vec4<u32>(params.width));
        squares += away * away;
    }
    return Norm(mean, inverseSqrt(sum_of_lanes(lane, squares) / width + params.epsilon));
}

// Four inputs, but for the scale of a mean square, which is known only at the end and multiplies the result.
// Gain and shift are zero behind the last column, and so is what comes out there.
fn input(i: u32, raw: vec4<f32>, norm: Norm) -> vec4<f32> {
    if NORM == 1u { return gain[i] * raw; }
    if NORM == 2u { return gain[i] * ((raw - norm.mean) * norm.scale) + shift[i]; }
    return raw;
}

// What multiplies the result: of a root mean square norm, by the sum of the squares.
fn late_scale(squares: f32) -> f32 {
    if NORM == 1u { return inverseSqrt(squares / f32(params.width) + params.epsilon); }
    return 1.0;
}
