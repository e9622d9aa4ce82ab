//! What is done to rows value by value: norms, activations, lookups, rotations, and the way into the cache.

use crate::lanes::{LANES, Lanes, half_bits};
use crate::op::{Activation, BLOCK, Cache, CacheFormat, Combine, Epilogue, Matrix, Rows, Turn};
use crate::pack;
use crate::run::Share;
use core::ops::Range;

/// Lanes of the values `from..`, and how many of them are real: a row need not be a multiple of eight.
#[inline(always)]
unsafe fn load<L: Lanes>(row: *const f32, from: usize, width: usize) -> L::Floats {
    if from + LANES <= width {
        return L::floats(row.add(from));
    }
    let mut tail = [0.0; LANES];
    core::ptr::copy_nonoverlapping(row.add(from), tail.as_mut_ptr(), width - from);
    L::floats(tail.as_ptr())
}

/// The reverse of [`load`].
#[inline(always)]
unsafe fn save<L: Lanes>(values: L::Floats, row: *mut f32, from: usize, width: usize) {
    if from + LANES <= width {
        return L::store(row.add(from), values);
    }
    core::ptr::copy_nonoverlapping(L::array(values).as_ptr(), row.add(from), width - from);
}

/// An activation, lane by lane.
#[inline(always)]
unsafe fn activated<L: Lanes>(x: L::Floats, activation: Activation) -> L::Floats {
    let one = L::splat(1.0);
    match activation {
        Activation::Identity => x,
        Activation::Silu => L::div(x, L::add(one, L::exp(L::sub(L::splat(0.0), x)))),
        Activation::GeluTanh => {
            let cube = L::mul(L::mul(x, x), L::mul(x, L::splat(0.044715)));
            // x (1 + tanh(u)) / 2 = x / (1 + exp(-2 u))
            let twice = L::mul(L::add(x, cube), L::splat(-2.0 * 0.797_884_6));
            L::div(x, L::add(one, L::exp(twice)))
        }
        Activation::GeluErf => {
            let half = |x: f32| 0.5 * x * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2));
            L::floats(L::array(x).map(half).as_ptr())
        }
        Activation::Relu => L::max(x, L::splat(0.0)),
    }
}

#[inline(always)]
unsafe fn combined<L: Lanes>(y: L::Floats, value: L::Floats, combine: Combine) -> L::Floats {
    match combine {
        Combine::Store => value,
        Combine::Add => L::add(y, value),
        Combine::Multiply => L::mul(y, value),
    }
}

/// Writes eight values of a row from `from` on, those below `width`, through an epilogue.
#[inline(always)]
pub unsafe fn write_lanes<L: Lanes>(value: L::Floats, epilogue: Epilogue, from: usize, width: usize, row: *mut f32) {
    let Epilogue { bias, activation, combine } = epilogue;
    let value = if bias == 0 { value } else { L::add(value, load::<L>(bias as *const f32, from, width)) };
    let value = activated::<L>(value, activation);
    let value = match combine {
        Combine::Store => value,
        _ => combined::<L>(load::<L>(row, from, width), value, combine),
    };
    save::<L>(value, row, from, width);
}

/// The rows, and of each the eights of values, that fall to a thread.
#[inline(always)]
fn eights(rows: usize, width: usize, share: Share) -> impl Iterator<Item = (usize, usize)> {
    let each = width.div_ceil(LANES);
    share.of(rows * each).map(move |item| (item / each, item % each * LANES))
}

/// `y[t] = epilogue(x[t])`
#[inline(always)]
pub unsafe fn pointwise<L: Lanes>(x: Rows, epilogue: Epilogue, y: Rows, rows: usize, share: Share) {
    let width = y.width as usize;
    for (t, from) in eights(rows, width, share) {
        write_lanes::<L>(load::<L>(x.row(t), from, width), epilogue, from, width, y.row(t));
    }
}

/// `y[t][i] = activation(x[t][i]) * x[t][width + i]`
#[inline(always)]
pub unsafe fn gate<L: Lanes>(x: Rows, activation: Activation, y: Rows, rows: usize, share: Share) {
    let width = y.width as usize;
    for (t, from) in eights(rows, width, share) {
        let (gate, up) = (load::<L>(x.row(t), from, width), load::<L>(x.row(t).add(width), from, width));
        save::<L>(L::mul(activated::<L>(gate, activation), up), y.row(t), from, width);
    }
}

#[inline(always)]
unsafe fn rms_norm_of<L: Lanes>(x: *const f32, gain: *const f32, epsilon: f32, width: usize, y: *mut f32) {
    let mut squares = L::splat(0.0);
    for from in (0..width).step_by(LANES) {
        let x = load::<L>(x, from, width);
        squares = L::mul_add(x, x, squares);
    }
    let scale = L::splat(1.0 / libm::sqrtf(L::sum(squares) / width as f32 + epsilon));
    for from in (0..width).step_by(LANES) {
        let scaled = L::mul(load::<L>(x, from, width), scale);
        save::<L>(L::mul(scaled, load::<L>(gain, from, width)), y, from, width);
    }
}

/// Each of a row's groups to unit mean square, times `gain`.
#[inline(always)]
pub unsafe fn rms_norm<L: Lanes>(
    x: Rows,
    (gain, groups, epsilon): (usize, u32, f32),
    y: Rows,
    rows: usize,
    share: Share,
) {
    let (groups, width) = (groups as usize, x.width as usize / groups as usize);
    for item in share.of(rows * groups) {
        let (t, at) = (item / groups, item % groups * width);
        rms_norm_of::<L>(x.row(t).add(at), gain as *const f32, epsilon, width, y.row(t).add(at));
    }
}

/// Each row to mean 0 and variance 1, times `gain`, plus `bias`.
#[inline(always)]
pub unsafe fn layer_norm<L: Lanes>(
    x: Rows,
    (gain, bias, epsilon): (usize, usize, f32),
    y: Rows,
    rows: usize,
    share: Share,
) {
    let width = x.width as usize;
    let eights = width / LANES * LANES;
    for t in share.of(rows) {
        let (x, y) = (x.row(t), y.row(t));
        let mut sum = L::splat(0.0);
        for from in (0..width).step_by(LANES) {
            sum = L::add(sum, load::<L>(x, from, width));
        }
        let mean = L::sum(sum) / width as f32;
        let mut squares = L::splat(0.0);
        for from in (0..eights).step_by(LANES) {
            let off = L::sub(L::floats(x.add(from)), L::splat(mean));
            squares = L::mul_add(off, off, squares);
        }
        let tail: f32 = (eights..width).map(|i| (*x.add(i) - mean) * (*x.add(i) - mean)).sum();
        let scale = 1.0 / libm::sqrtf((L::sum(squares) + tail) / width as f32 + epsilon);
        for from in (0..width).step_by(LANES) {
            let off = L::mul(L::sub(load::<L>(x, from, width), L::splat(mean)), L::splat(scale));
            let gained = L::mul(off, load::<L>(gain as *const f32, from, width));
            save::<L>(L::add(gained, load::<L>(bias as *const f32, from, width)), y, from, width);
        }
    }
}

/// Rows of a part of a table, by token (`index` gives it) or by position.
#[inline(always)]
pub unsafe fn embed(
    (table, first): (&Matrix, u32),
    index: impl Fn(usize) -> u32,
    combine: Combine,
    y: Rows,
    rows: usize,
    share: Share,
) {
    let width = y.width as usize;
    for item in share.of(rows * width) {
        let (t, i) = (item / width, item % width);
        let Some(output) = index(t).checked_sub(first).filter(|output| *output < table.outputs) else { continue };
        let (value, y) = (pack::value(table, output as usize, i), y.row(t).add(i));
        *y = match combine {
            Combine::Store => value,
            Combine::Add => *y + value,
            Combine::Multiply => *y * value,
        };
    }
}

/// Rotates a head by its position: `y` may be `x`.
#[inline(always)]
unsafe fn rotate(x: *const f32, turn: &Turn, position: usize, head_width: usize, y: *mut f32) {
    let rotary = if turn.table == 0 { 0 } else { turn.rotary as usize };
    let turns = (turn.table as *const f32).wrapping_add(position * rotary);
    if !core::ptr::eq(x, y) {
        core::ptr::copy_nonoverlapping(x.add(rotary), y.add(rotary), head_width - rotary);
    }
    for i in 0..rotary / 2 {
        let (a, b) = if turn.adjacent == 1 { (2 * i, 2 * i + 1) } else { (i, i + rotary / 2) };
        let (cosine, sine) = (*turns.add(2 * i), *turns.add(2 * i + 1));
        let (first, second) = (*x.add(a), *x.add(b));
        *y.add(a) = first * cosine - second * sine;
        *y.add(b) = first * sine + second * cosine;
    }
}

/// Rotates the heads of rows.
#[inline(always)]
pub unsafe fn rope((x, y): (Rows, Rows), head_width: u32, turn: &Turn, position: usize, rows: usize, share: Share) {
    let (width, heads) = (head_width as usize, (x.width / head_width) as usize);
    for item in share.of(rows * heads) {
        let (t, at) = (item / heads, item % heads * width);
        rotate(x.row(t).add(at), turn, position + t, width, y.row(t).add(at));
    }
}

/// Appends a head of a row to the cache.
#[inline(always)]
unsafe fn append<L: Lanes>(x: *const f32, keys: bool, cache: &Cache, head: usize, position: usize) {
    let (width, capacity) = (cache.head_width as usize, cache.capacity as usize);
    if cache.format == CacheFormat::Q8 {
        return append_scaled::<L>(x, keys, cache, head, position);
    }
    let half = cache.format == CacheFormat::F16;
    let bytes = if half { 2 } else { 4 };
    if keys {
        let first = (head * capacity + position / LANES * LANES) * width + position % LANES;
        for i in 0..width {
            let at = cache.keys + bytes * (first + i * LANES);
            if half {
                *(at as *mut u16) = half_bits::from_f32(*x.add(i));
            } else {
                *(at as *mut f32) = *x.add(i);
            }
        }
        return;
    }
    let at = cache.values + bytes * (head * capacity + position) * width;
    if !half {
        return core::ptr::copy_nonoverlapping(x, at as *mut f32, width);
    }
    let whole = width / LANES * LANES;
    for from in (0..whole).step_by(LANES) {
        L::store_halves((at as *mut u16).add(from), L::floats(x.add(from)));
    }
    for i in whole..width {
        *(at as *mut u16).add(i) = half_bits::from_f32(*x.add(i));
    }
}

/// The same as i8: the greatest of a block is 127 of its scale.
#[inline(always)]
unsafe fn append_scaled<L: Lanes>(x: *const f32, keys: bool, cache: &Cache, head: usize, position: usize) {
    let (width, lane) = (cache.head_width as usize, position % LANES);
    let first = head * cache.capacity as usize + position;
    let (eight, row) = ((first - lane) * cache.scaled_bytes(), first * cache.scaled_bytes());
    for block in 0..cache.blocks() {
        let x = x.add(block * BLOCK);
        let mut greatest = L::splat(0.0);
        for from in (0..BLOCK).step_by(LANES) {
            let x = L::floats(x.add(from));
            greatest = L::max(greatest, L::max(x, L::sub(L::splat(0.0), x)));
        }
        let peak = L::greatest(greatest);
        // So small that dividing by it might overflow: zeros.
        let scale = if peak > 1e-30 { peak * (1.0 / 127.0) } else { 0.0 };
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let mut ints = [0i8; BLOCK];
        for from in (0..BLOCK).step_by(LANES) {
            L::store_ints(ints.as_mut_ptr().add(from), L::nearest(L::mul(L::floats(x.add(from)), L::splat(inverse))));
        }
        if keys {
            let at = (cache.keys + eight + block * BLOCK * LANES + lane) as *mut i8;
            for (i, int) in ints.into_iter().enumerate() {
                *at.add(i * LANES) = int;
            }
            *((cache.keys + eight + LANES * width) as *mut f32).add(block * LANES + lane) = scale;
        } else {
            let at = (cache.values + row + block * BLOCK) as *mut i8;
            core::ptr::copy_nonoverlapping(ints.as_ptr(), at, BLOCK);
            *((cache.values + row + width) as *mut f32).add(block) = scale;
        }
    }
}

/// Appends rows to the keys or the values of a layer.
#[inline(always)]
pub unsafe fn store<L: Lanes>(x: Rows, keys: bool, cache: &Cache, position: usize, rows: usize, share: Share) {
    let (width, heads) = (cache.head_width as usize, cache.kv_heads as usize);
    for item in share.of(rows * heads) {
        let (t, head) = (item / heads, item % heads);
        append::<L>(x.row(t).add(head * width), keys, cache, head, position + t);
    }
}

/// Splits rows of queries, keys and values: queries into `y`, the others into the cache. Changes `x`.
#[inline(always)]
pub unsafe fn heads<L: Lanes>(x: Rows, turn: &Turn, cache: &Cache, y: Rows, live: Range<usize>, share: Share) {
    let (width, kv_heads) = (cache.head_width as usize, cache.kv_heads as usize);
    let queries = y.width as usize / width;
    let all = queries + 2 * kv_heads;
    for item in share.of(live.len() * all) {
        let (t, head) = (item / all, item % all);
        let (position, from) = (live.start + t, x.row(t).add(head * width));
        let is_query = head < queries;
        if head < queries + kv_heads {
            let to = if is_query { y.row(t).add(head * width) } else { from };
            let gain = if is_query { turn.query_gain } else { turn.key_gain };
            if gain != 0 {
                rms_norm_of::<L>(from, gain as *const f32, turn.epsilon, width, from);
            }
            rotate(from, turn, position, width, to);
            if !is_query {
                append::<L>(from, true, cache, head - queries, position);
            }
        } else {
            append::<L>(from, false, cache, head - queries - kv_heads, position);
        }
    }
}
