//! A matrix times rows: a panel of eight of its rows at a time, lanes are its rows, several rows of input in registers.
//!
//! Over whole numbers (`q4`, `q8`) a block is dot products of four bytes, one scale and one minimum:
//! `w = scale u + minimum`, so `sum w x = scale (sum u q) s + minimum (sum q) s` for inputs `x = s q`. Of q8 the minimum
//! is -128 scales, and `u` comes in two halves of four bits.

use crate::lanes::{LANES, Lanes};
use crate::op::{BLOCK, Epilogue, Format, Matrix, Quantised, Rows};
use crate::rows::write_lanes;
use crate::run::Share;

/// Rows of input that are multiplied at once.
const TILE: usize = 4;

/// Runs `$body` for tiles of up to four rows: `$tile` is the number, a constant.
macro_rules! tiles {
    ($rows:expr, |$t:ident, $tile:ident| $body:expr) => {{
        let (mut $t, rows) = (0, $rows);
        while $t < rows {
            match rows - $t {
                1 => {
                    const $tile: usize = 1;
                    $body
                }
                2 => {
                    const $tile: usize = 2;
                    $body
                }
                3 => {
                    const $tile: usize = 3;
                    $body
                }
                _ => {
                    const $tile: usize = TILE;
                    $body
                }
            }
            $t += TILE;
        }
    }};
}

/// `y[t] = epilogue(matrix x[t])` over whole numbers.
#[inline(always)]
pub unsafe fn ints<L: Lanes>(x: Quantised, matrix: &Matrix, epilogue: Epilogue, y: Rows, rows: usize, share: Share) {
    match (matrix.format, x.planes) {
        (Format::Q4, 1) => ints_of::<L, 1, 1>(x, matrix, epilogue, y, rows, share),
        (Format::Q4, _) => ints_of::<L, 1, 2>(x, matrix, epilogue, y, rows, share),
        (_, 1) => ints_of::<L, 2, 1>(x, matrix, epilogue, y, rows, share),
        (_, _) => ints_of::<L, 2, 2>(x, matrix, epilogue, y, rows, share),
    }
}

/// `HALVES` of four bits to a weight; `PLANES` of bytes to an input.
#[inline(always)]
unsafe fn ints_of<L: Lanes, const HALVES: usize, const PLANES: usize>(
    x: Quantised,
    matrix: &Matrix,
    epilogue: Epilogue,
    y: Rows,
    rows: usize,
    share: Share,
) {
    for panel in share.of(matrix.panels()) {
        tiles!(rows, |t, T| {
            let sums = ints_tile::<L, T, HALVES, PLANES>(x, matrix, panel, t);
            for (i, sum) in sums.into_iter().enumerate() {
                write_lanes::<L>(sum, epilogue, panel * LANES, matrix.outputs as usize, y.row(t + i));
            }
        });
    }
}

#[inline(always)]
unsafe fn ints_tile<L: Lanes, const T: usize, const HALVES: usize, const PLANES: usize>(
    x: Quantised,
    matrix: &Matrix,
    panel: usize,
    t: usize,
) -> [L::Floats; T] {
    let blocks = matrix.blocks();
    let first = panel * blocks;
    let mut values = (matrix.values + first * 128 * HALVES) as *const u8;
    let mut scales = (matrix.scales + first * if HALVES == 1 { 32 } else { 16 }) as *const u16;
    let mut at = [core::ptr::null::<i8>(); T];
    for (i, at) in at.iter_mut().enumerate() {
        *at = (x.values + (t + i) * blocks * PLANES * BLOCK) as *const i8;
    }
    let factor = |table: usize, i: usize, block: usize| {
        let place = (t + i) * blocks + block;
        L::splat(*((table + 4 * place) as *const f32))
    };
    let mut sums = [L::splat(0.0); T];
    for block in 0..blocks {
        let mut parts = [[[L::no_ints(); PLANES]; T]; HALVES];
        for (half, parts) in parts.iter_mut().enumerate() {
            for j in 0..BLOCK / 8 {
                let bytes = L::bytes(values.add(128 * half + 32 * j));
                let (low, high) = (L::low(bytes), L::high(bytes));
                for (parts, at) in parts.iter_mut().zip(at) {
                    for (plane, part) in parts.iter_mut().enumerate() {
                        let x = at.add(plane * BLOCK + 8 * j);
                        *part = L::dot(L::dot(*part, low, L::quad(x)), high, L::quad(x.add(4)));
                    }
                }
            }
        }
        let scale = L::halves(scales);
        let minimum = if HALVES == 1 { L::halves(scales.add(LANES)) } else { L::mul(scale, L::splat(-128.0)) };
        for i in 0..T {
            let mut products = [L::splat(0.0); PLANES];
            for (plane, product) in products.iter_mut().enumerate() {
                *product = L::of_ints(parts[0][i][plane]);
                if HALVES == 2 {
                    *product = L::mul_add(L::of_ints(parts[1][i][plane]), L::splat(16.0), *product);
                }
            }
            let mut product = products[0];
            if PLANES == 2 {
                product = L::mul_add(products[1], L::splat(1.0 / 254.0), product);
            }
            let scaled = L::mul(product, factor(x.scales, i, block));
            sums[i] = L::mul_add(scaled, scale, sums[i]);
            sums[i] = L::mul_add(factor(x.sums, i, block), minimum, sums[i]);
            at[i] = at[i].add(PLANES * BLOCK);
        }
        values = values.add(128 * HALVES);
        scales = scales.add(if HALVES == 1 { 2 * LANES } else { LANES });
    }
    sums
}

/// `y[t] = epilogue(matrix x[t])` over f32.
#[inline(always)]
pub unsafe fn floats<L: Lanes>(x: Rows, matrix: &Matrix, epilogue: Epilogue, y: Rows, rows: usize, share: Share) {
    for panel in share.of(matrix.panels()) {
        tiles!(rows, |t, T| {
            let sums = match matrix.format {
                Format::F32 | Format::F16 => floats_tile::<L, T>(x, matrix, panel, t),
                Format::Q8 | Format::Q4 => decoded_tile::<L, T>(x, matrix, panel, t),
            };
            for (i, sum) in sums.into_iter().enumerate() {
                write_lanes::<L>(sum, epilogue, panel * LANES, matrix.outputs as usize, y.row(t + i));
            }
        });
    }
}

/// Of `f32` and `f16`: eight weights for each input.
#[inline(always)]
unsafe fn floats_tile<L: Lanes, const T: usize>(x: Rows, matrix: &Matrix, panel: usize, t: usize) -> [L::Floats; T] {
    let first = panel * matrix.blocks() * BLOCK * LANES;
    let inputs = matrix.inputs as usize;
    // Two running sums each, so that one addition need not wait for the other.
    let mut sums = [[L::splat(0.0); 2]; T];
    let half = matrix.format == Format::F16;
    let weights = |k: usize| {
        let place = first + k * LANES;
        if half {
            L::halves((matrix.values + 2 * place) as *const u16)
        } else {
            L::floats((matrix.values + 4 * place) as *const f32)
        }
    };
    for k in 0..inputs {
        let weights = weights(k);
        for (i, sums) in sums.iter_mut().enumerate() {
            let sum = &mut sums[k % 2];
            *sum = L::mul_add(weights, L::splat(*x.row(t + i).add(k)), *sum);
        }
    }
    sums.map(|[a, b]| L::add(a, b))
}

/// Of `q8` and `q4`: eight weights decoded for each input.
#[inline(always)]
unsafe fn decoded_tile<L: Lanes, const T: usize>(x: Rows, matrix: &Matrix, panel: usize, t: usize) -> [L::Floats; T] {
    let (blocks, inputs) = (matrix.blocks(), matrix.inputs as usize);
    let q4 = matrix.format == Format::Q4;
    let mut sums = [L::splat(0.0); T];
    for block in 0..blocks {
        let place = panel * blocks + block;
        let values = (matrix.values + place * if q4 { 128 } else { 256 }) as *const u8;
        let scales = (matrix.scales + place * if q4 { 32 } else { 16 }) as *const u16;
        let scale = L::halves(scales);
        let minimum = if q4 { L::halves(scales.add(LANES)) } else { L::mul(scale, L::splat(-128.0)) };
        let left = (inputs - block * BLOCK).min(BLOCK);
        for j in 0..BLOCK / 8 {
            let bytes = L::bytes(values.add(32 * j));
            let (mut low, mut high) = (quarter::<L>(L::low(bytes)), quarter::<L>(L::high(bytes)));
            if !q4 {
                let bytes = L::bytes(values.add(128 + 32 * j));
                let upper = |value, upper| L::mul_add(upper, L::splat(16.0), value);
                let (more_low, more_high) = (quarter::<L>(L::low(bytes)), quarter::<L>(L::high(bytes)));
                for i in 0..4 {
                    low[i] = upper(low[i], more_low[i]);
                    high[i] = upper(high[i], more_high[i]);
                }
            }
            for (k, value) in low.into_iter().chain(high).enumerate() {
                let k = 8 * j + k;
                if k < left {
                    let weight = L::mul_add(value, scale, minimum);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = L::mul_add(weight, L::splat(*x.row(t + i).add(block * BLOCK + k)), *sum);
                    }
                }
            }
        }
    }
    sums
}

/// The four bytes of each lane, apart.
#[inline(always)]
unsafe fn quarter<L: Lanes>(bytes: L::Bytes) -> [L::Floats; 4] {
    [L::byte::<0>(bytes), L::byte::<1>(bytes), L::byte::<2>(bytes), L::byte::<3>(bytes)]
}
