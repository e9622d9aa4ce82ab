//! Lanes as arrays: right everywhere, and what the others are tested against.

use super::{LANES, Lanes, half_bits};

/// No instructions in particular.
pub struct Portable;

#[inline(always)]
fn each(with: impl FnMut(usize) -> f32) -> [f32; LANES] {
    core::array::from_fn(with)
}

impl Lanes for Portable {
    const NAME: &'static str = "portable";
    type Bytes = [u8; 4 * LANES];
    type Ints = [i32; LANES];
    type Floats = [f32; LANES];

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> Self::Bytes {
        at.cast::<Self::Bytes>().read_unaligned()
    }

    #[inline(always)]
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes {
        bytes.map(|byte| byte & 15)
    }

    #[inline(always)]
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes {
        bytes.map(|byte| byte >> 4)
    }

    #[inline(always)]
    unsafe fn quad(at: *const i8) -> Self::Bytes {
        let quad = at.cast::<[u8; 4]>().read_unaligned();
        core::array::from_fn(|i| quad[i % 4])
    }

    #[inline(always)]
    unsafe fn byte<const PLACE: i32>(bytes: Self::Bytes) -> Self::Floats {
        each(|lane| f32::from(bytes[4 * lane + PLACE as usize]))
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, x: Self::Bytes) -> Self::Ints {
        core::array::from_fn(|lane| {
            let products = (0..4).map(|i| i32::from(weights[4 * lane + i]) * i32::from(x[4 * lane + i] as i8));
            sum[lane] + products.sum::<i32>()
        })
    }

    #[inline(always)]
    unsafe fn of_ints(sum: Self::Ints) -> Self::Floats {
        sum.map(|sum| sum as f32)
    }

    #[inline(always)]
    unsafe fn floats(at: *const f32) -> Self::Floats {
        at.cast::<Self::Floats>().read_unaligned()
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, values: Self::Floats) {
        at.cast::<Self::Floats>().write_unaligned(values);
    }

    #[inline(always)]
    unsafe fn halves(at: *const u16) -> Self::Floats {
        at.cast::<[u16; LANES]>().read_unaligned().map(half_bits::to_f32)
    }

    #[inline(always)]
    unsafe fn store_halves(at: *mut u16, values: Self::Floats) {
        at.cast::<[u16; LANES]>().write_unaligned(values.map(half_bits::from_f32));
    }

    #[inline(always)]
    unsafe fn store_ints(at: *mut i8, values: Self::Floats) {
        at.cast::<[i8; LANES]>().write_unaligned(values.map(|value| value as i8));
    }

    #[inline(always)]
    unsafe fn signed(at: *const i8) -> Self::Floats {
        at.cast::<[i8; LANES]>().read_unaligned().map(f32::from)
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] - b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] / b[i])
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i].max(b[i]))
    }

    #[inline(always)]
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i].min(b[i]))
    }

    #[inline(always)]
    unsafe fn nearest(a: Self::Floats) -> Self::Floats {
        a.map(libm::rintf)
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Self::Floats) -> Self::Floats {
        exponent.map(|exponent| f32::from_bits(((exponent as i32 + 127) as u32) << 23))
    }
}
