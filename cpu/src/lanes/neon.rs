//! NEON, as every 64-bit Arm processor has it.

use super::{Lanes, half_bits};
use core::arch::aarch64::*;

/// Two registers of 128 bits.
pub struct Neon;

/// Lanes 0 to 3 and 4 to 7.
#[derive(Clone, Copy)]
pub struct Pair<T>(T, T);

type Floats = Pair<float32x4_t>;

#[inline(always)]
fn both<T: Copy>(a: Pair<T>, b: Pair<T>, with: impl Fn(T, T) -> T) -> Pair<T> {
    Pair(with(a.0, b.0), with(a.1, b.1))
}

#[inline(always)]
fn map<T: Copy, To>(a: Pair<T>, with: impl Fn(T) -> To) -> Pair<To> {
    Pair(with(a.0), with(a.1))
}

#[inline(always)]
unsafe fn four_halves(bits: int16x4_t) -> float32x4_t {
    // The bits of an f16 where those of an f32 are, and the difference of their exponents' biases: 112.
    let bits = vandq_s32(vshlq_n_s32::<13>(vmovl_s16(bits)), vdupq_n_s32(0x8fff_e000_u32 as i32));
    vmulq_f32(vreinterpretq_f32_s32(bits), vdupq_n_f32(f32::from_bits((112 + 127) << 23)))
}

impl Lanes for Neon {
    const NAME: &'static str = "neon";
    type Bytes = Pair<uint8x16_t>;
    type Ints = Pair<int32x4_t>;
    type Floats = Floats;

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> Self::Bytes {
        Pair(vld1q_u8(at), vld1q_u8(at.add(16)))
    }

    #[inline(always)]
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes {
        map(bytes, |bytes| vandq_u8(bytes, vdupq_n_u8(15)))
    }

    #[inline(always)]
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes {
        map(bytes, |bytes| vshrq_n_u8::<4>(bytes))
    }

    #[inline(always)]
    unsafe fn quad(at: *const i8) -> Self::Bytes {
        let quad = vreinterpretq_u8_s32(vdupq_n_s32(at.cast::<i32>().read_unaligned()));
        Pair(quad, quad)
    }

    #[inline(always)]
    unsafe fn byte<const PLACE: i32>(bytes: Self::Bytes) -> Floats {
        let byte = |bytes| vandq_u32(vshlq_u32(vreinterpretq_u32_u8(bytes), vdupq_n_s32(-8 * PLACE)), vdupq_n_u32(255));
        map(bytes, |bytes| vcvtq_f32_u32(byte(bytes)))
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        Pair(vdupq_n_s32(0), vdupq_n_s32(0))
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, x: Self::Bytes) -> Self::Ints {
        // Two products of at most 15 x 127 fit an i16.
        let add = |sum, weights, x| {
            let (weights, x) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(x));
            let low = vmull_s8(vget_low_s8(weights), vget_low_s8(x));
            vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(weights, x)))
        };
        Pair(add(sum.0, weights.0, x.0), add(sum.1, weights.1, x.1))
    }

    #[inline(always)]
    unsafe fn of_ints(sum: Self::Ints) -> Floats {
        map(sum, |sum| vcvtq_f32_s32(sum))
    }

    #[inline(always)]
    unsafe fn floats(at: *const f32) -> Floats {
        Pair(vld1q_f32(at), vld1q_f32(at.add(4)))
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, values: Floats) {
        vst1q_f32(at, values.0);
        vst1q_f32(at.add(4), values.1);
    }

    #[inline(always)]
    unsafe fn halves(at: *const u16) -> Floats {
        let bits = vld1q_s16(at.cast());
        Pair(four_halves(vget_low_s16(bits)), four_halves(vget_high_s16(bits)))
    }

    #[inline(always)]
    unsafe fn store_halves(at: *mut u16, values: Floats) {
        at.cast::<[u16; 8]>().write_unaligned(Self::array(values).map(half_bits::from_f32));
    }

    #[inline(always)]
    unsafe fn store_ints(at: *mut i8, values: Floats) {
        let words = map(values, |values| vqmovn_s32(vcvtnq_s32_f32(values)));
        vst1_s8(at, vqmovn_s16(vcombine_s16(words.0, words.1)));
    }

    #[inline(always)]
    unsafe fn signed(at: *const i8) -> Floats {
        let words = vmovl_s8(vld1_s8(at));
        let four = |words| vcvtq_f32_s32(vmovl_s16(words));
        Pair(four(vget_low_s16(words)), four(vget_high_s16(words)))
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        Pair(vdupq_n_f32(value), vdupq_n_f32(value))
    }

    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| vaddq_f32(a, b))
    }

    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| vsubq_f32(a, b))
    }

    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| vmulq_f32(a, b))
    }

    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| vdivq_f32(a, b))
    }

    #[inline(always)]
    unsafe fn mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
        Pair(vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1))
    }

    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| vmaxq_f32(a, b))
    }

    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| vminq_f32(a, b))
    }

    #[inline(always)]
    unsafe fn nearest(a: Floats) -> Floats {
        map(a, |a| vrndnq_f32(a))
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Floats) -> Floats {
        let power = |exponent| vshlq_n_s32::<23>(vaddq_s32(vcvtnq_s32_f32(exponent), vdupq_n_s32(127)));
        map(exponent, |exponent| vreinterpretq_f32_s32(power(exponent)))
    }
}
