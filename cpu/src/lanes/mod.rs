//! Eight lanes of numbers, by whatever the processor has for them: the only place that names instructions.
//!
//! Lanes are eight rows of a matrix, eight positions of the cache or eight neighbouring values. Eight are one register of
//! AVX2 and two of WebAssembly and NEON.

pub mod half_bits;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Wasm;
#[cfg(target_arch = "x86_64")]
pub use x86::Avx2;

/// How many lanes there are.
pub const LANES: usize = 8;

/// What kernels are written in.
///
/// # Safety
/// Every function asks that the processor has the instructions of the implementation, and that the addresses which it is
/// given are good for what it reads or writes there: eight values, or what it says. Nothing need be aligned.
pub trait Lanes: 'static {
    /// What the instructions are called.
    const NAME: &'static str;
    /// 32 bytes, four to a lane.
    type Bytes: Copy;
    /// Eight i32, or what becomes eight once it is turned into floats.
    type Ints: Copy;
    /// Eight f32.
    type Floats: Copy;

    /// 32 bytes from memory.
    unsafe fn bytes(at: *const u8) -> Self::Bytes;
    /// The lower four bits of each byte.
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes;
    /// The higher four bits of each byte.
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes;
    /// The same four bytes from memory in every lane.
    unsafe fn quad(at: *const i8) -> Self::Bytes;
    /// Byte `place` (0 to 3) of each lane, without a sign.
    unsafe fn byte<const PLACE: i32>(bytes: Self::Bytes) -> Self::Floats;

    /// Zeros.
    unsafe fn no_ints() -> Self::Ints;
    /// Adds to each lane the products of its four bytes: `weights` from 0 to 15, `x` from -127 to 127.
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, x: Self::Bytes) -> Self::Ints;
    /// The sums.
    unsafe fn of_ints(sum: Self::Ints) -> Self::Floats;

    /// Eight values from memory.
    unsafe fn floats(at: *const f32) -> Self::Floats;
    /// Eight values into memory.
    unsafe fn store(at: *mut f32, values: Self::Floats);
    /// Eight f16 from memory.
    unsafe fn halves(at: *const u16) -> Self::Floats;
    /// Eight values into memory as f16, to the nearest that is finite.
    unsafe fn store_halves(at: *mut u16, values: Self::Floats);
    /// Eight whole numbers from -127 to 127 into memory as i8.
    unsafe fn store_ints(at: *mut i8, values: Self::Floats);
    /// Eight i8 from memory.
    unsafe fn signed(at: *const i8) -> Self::Floats;
    /// One value in every lane.
    unsafe fn splat(value: f32) -> Self::Floats;
    /// `a + b`
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a - b`
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b`
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a / b`
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once or twice.
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The greater of both, lane by lane; of finite numbers.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The lesser of both, lane by lane; of finite numbers.
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// To the nearest whole number, the even one of two.
    unsafe fn nearest(a: Self::Floats) -> Self::Floats;
    /// 2 to the power of whole numbers from -126 to 127.
    unsafe fn power_of_two(exponent: Self::Floats) -> Self::Floats;

    /// The lanes as an array.
    #[inline(always)]
    unsafe fn array(values: Self::Floats) -> [f32; LANES] {
        let mut array = [0.0; LANES];
        Self::store(array.as_mut_ptr(), values);
        array
    }

    /// The sum of all lanes.
    #[inline(always)]
    unsafe fn sum(values: Self::Floats) -> f32 {
        let [a, b, c, d, e, f, g, h] = Self::array(values);
        ((a + e) + (b + f)) + ((c + g) + (d + h))
    }

    /// The greatest of all lanes.
    #[inline(always)]
    unsafe fn greatest(values: Self::Floats) -> f32 {
        Self::array(values).into_iter().fold(f32::MIN, f32::max)
    }

    /// e to the power of finite numbers, within 2 units in the last place down to -87; what is less counts as -87.
    #[inline(always)]
    unsafe fn exp(x: Self::Floats) -> Self::Floats {
        // Cephes' expf: 2^n times a polynomial over half a doubling on either side.
        let x = Self::min(Self::max(x, Self::splat(-87.0)), Self::splat(88.0));
        let n = Self::nearest(Self::mul(x, Self::splat(core::f32::consts::LOG2_E)));
        let r = Self::sub(x, Self::mul(n, Self::splat(0.693_359_4)));
        let r = Self::add(r, Self::mul(n, Self::splat(2.121_944_4e-4)));
        let mut p = Self::splat(1.987_569_1e-4);
        for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
            p = Self::mul_add(p, r, Self::splat(coefficient));
        }
        let p = Self::mul_add(p, Self::mul(r, r), Self::add(r, Self::splat(1.0)));
        Self::mul(p, Self::power_of_two(n))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
