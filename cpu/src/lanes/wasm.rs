//! WebAssembly's SIMD, with the dot products of relaxed SIMD where the module is built for them.

use super::{Lanes, half_bits};
use core::arch::wasm32::*;

/// Two registers of 128 bits.
pub struct Wasm;

/// Lanes 0 to 3 and 4 to 7.
#[derive(Clone, Copy)]
pub struct Pair(v128, v128);

/// Sums of products: of four where one instruction gives them, else of two, of which the other two follow.
#[cfg(target_feature = "relaxed-simd")]
type Sums = Pair;
#[cfg(not(target_feature = "relaxed-simd"))]
type Sums = (Pair, Pair);

#[inline(always)]
fn both(a: Pair, b: Pair, with: impl Fn(v128, v128) -> v128) -> Pair {
    Pair(with(a.0, b.0), with(a.1, b.1))
}

#[inline(always)]
fn map(a: Pair, with: impl Fn(v128) -> v128) -> Pair {
    Pair(with(a.0), with(a.1))
}

#[inline(always)]
fn four_halves(extended: v128) -> v128 {
    // The bits of an f16 where those of an f32 are, and the difference of their exponents' biases: 112.
    let bits = v128_and(i32x4_shl(extended, 13), u32x4_splat(0x8fff_e000));
    f32x4_mul(bits, f32x4_splat(f32::from_bits((112 + 127) << 23)))
}

impl Lanes for Wasm {
    const NAME: &'static str = if cfg!(target_feature = "relaxed-simd") { "relaxed simd" } else { "simd" };
    type Bytes = Pair;
    type Ints = Sums;
    type Floats = Pair;

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> Pair {
        Pair(v128_load(at.cast()), v128_load(at.add(16).cast()))
    }

    #[inline(always)]
    unsafe fn low(bytes: Pair) -> Pair {
        map(bytes, |bytes| v128_and(bytes, u8x16_splat(15)))
    }

    #[inline(always)]
    unsafe fn high(bytes: Pair) -> Pair {
        map(bytes, |bytes| u8x16_shr(bytes, 4))
    }

    #[inline(always)]
    unsafe fn quad(at: *const i8) -> Pair {
        let quad = v128_load32_splat(at.cast());
        Pair(quad, quad)
    }

    #[inline(always)]
    unsafe fn byte<const PLACE: i32>(bytes: Pair) -> Pair {
        map(bytes, |bytes| f32x4_convert_i32x4(v128_and(u32x4_shr(bytes, 8 * PLACE as u32), u32x4_splat(255))))
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn no_ints() -> Sums {
        Pair(i32x4_splat(0), i32x4_splat(0))
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn dot(sum: Sums, weights: Pair, x: Pair) -> Sums {
        // The second operand is the one that must not have its highest bit set.
        Pair(
            i32x4_relaxed_dot_i8x16_i7x16_add(x.0, weights.0, sum.0),
            i32x4_relaxed_dot_i8x16_i7x16_add(x.1, weights.1, sum.1),
        )
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn of_ints(sum: Sums) -> Pair {
        map(sum, |sum| f32x4_convert_i32x4(sum))
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn no_ints() -> Sums {
        let zeros = Pair(i32x4_splat(0), i32x4_splat(0));
        (zeros, zeros)
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn dot(sum: Sums, weights: Pair, x: Pair) -> Sums {
        // All lanes hold the same four bytes of x, so half of them are as good as the other.
        let x = i16x8_extend_low_i8x16(x.0);
        let pairs = |weights| {
            let (low, high) = (u16x8_extend_low_u8x16(weights), u16x8_extend_high_u8x16(weights));
            (i32x4_dot_i16x8(low, x), i32x4_dot_i16x8(high, x))
        };
        let ((a, b), (c, d)) = (pairs(weights.0), pairs(weights.1));
        let (first, second) = sum;
        (Pair(i32x4_add(first.0, a), i32x4_add(first.1, b)), Pair(i32x4_add(second.0, c), i32x4_add(second.1, d)))
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn of_ints((first, second): Sums) -> Pair {
        let whole = |Pair(a, b): Pair| {
            let sums = i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b));
            f32x4_convert_i32x4(sums)
        };
        Pair(whole(first), whole(second))
    }

    #[inline(always)]
    unsafe fn floats(at: *const f32) -> Pair {
        Pair(v128_load(at.cast()), v128_load(at.add(4).cast()))
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, values: Pair) {
        v128_store(at.cast(), values.0);
        v128_store(at.add(4).cast(), values.1);
    }

    #[inline(always)]
    unsafe fn halves(at: *const u16) -> Pair {
        let halves = v128_load(at.cast());
        Pair(four_halves(i32x4_extend_low_i16x8(halves)), four_halves(i32x4_extend_high_i16x8(halves)))
    }

    #[inline(always)]
    unsafe fn store_halves(at: *mut u16, values: Pair) {
        at.cast::<[u16; 8]>().write_unaligned(Self::array(values).map(half_bits::from_f32));
    }

    #[inline(always)]
    unsafe fn store_ints(at: *mut i8, values: Pair) {
        let words = i16x8_narrow_i32x4(i32x4_trunc_sat_f32x4(values.0), i32x4_trunc_sat_f32x4(values.1));
        v128_store64_lane::<0>(i8x16_narrow_i16x8(words, words), at.cast());
    }

    #[inline(always)]
    unsafe fn signed(at: *const i8) -> Pair {
        let words = i16x8_load_extend_i8x8(at);
        let (low, high) = (i32x4_extend_low_i16x8(words), i32x4_extend_high_i16x8(words));
        Pair(f32x4_convert_i32x4(low), f32x4_convert_i32x4(high))
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Pair {
        Pair(f32x4_splat(value), f32x4_splat(value))
    }

    #[inline(always)]
    unsafe fn add(a: Pair, b: Pair) -> Pair {
        both(a, b, |a, b| f32x4_add(a, b))
    }

    #[inline(always)]
    unsafe fn sub(a: Pair, b: Pair) -> Pair {
        both(a, b, |a, b| f32x4_sub(a, b))
    }

    #[inline(always)]
    unsafe fn mul(a: Pair, b: Pair) -> Pair {
        both(a, b, |a, b| f32x4_mul(a, b))
    }

    #[inline(always)]
    unsafe fn div(a: Pair, b: Pair) -> Pair {
        both(a, b, |a, b| f32x4_div(a, b))
    }

    #[inline(always)]
    unsafe fn mul_add(a: Pair, b: Pair, c: Pair) -> Pair {
        #[cfg(target_feature = "relaxed-simd")]
        let one = |a, b, c| f32x4_relaxed_madd(a, b, c);
        #[cfg(not(target_feature = "relaxed-simd"))]
        let one = |a, b, c| f32x4_add(f32x4_mul(a, b), c);
        Pair(one(a.0, b.0, c.0), one(a.1, b.1, c.1))
    }

    #[inline(always)]
    unsafe fn max(a: Pair, b: Pair) -> Pair {
        both(a, b, |a, b| f32x4_pmax(a, b))
    }

    #[inline(always)]
    unsafe fn min(a: Pair, b: Pair) -> Pair {
        both(a, b, |a, b| f32x4_pmin(a, b))
    }

    #[inline(always)]
    unsafe fn nearest(a: Pair) -> Pair {
        map(a, |a| f32x4_nearest(a))
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Pair) -> Pair {
        map(exponent, |exponent| i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(exponent), i32x4_splat(127)), 23))
    }
}
