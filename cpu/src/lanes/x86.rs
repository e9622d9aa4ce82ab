//! AVX2 with FMA and F16C, and with the dot products of AVX-VNNI where the processor has them.

use super::Lanes;
use super::half_bits::GREATEST;
use core::arch::x86_64::*;

/// One register of 256 bits; `VNNI` where four products are one instruction.
pub struct Avx2<const VNNI: bool>;

impl<const VNNI: bool> Lanes for Avx2<VNNI> {
    const NAME: &'static str = if VNNI { "avx2 vnni" } else { "avx2" };
    type Bytes = __m256i;
    type Ints = __m256i;
    type Floats = __m256;

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> Self::Bytes {
        _mm256_loadu_si256(at.cast())
    }

    #[inline(always)]
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes {
        _mm256_and_si256(bytes, _mm256_set1_epi8(15))
    }

    #[inline(always)]
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes {
        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15))
    }

    #[inline(always)]
    unsafe fn quad(at: *const i8) -> Self::Bytes {
        _mm256_set1_epi32(at.cast::<i32>().read_unaligned())
    }

    #[inline(always)]
    unsafe fn byte<const PLACE: i32>(bytes: Self::Bytes) -> Self::Floats {
        let shifted = _mm256_srl_epi32(bytes, _mm_cvtsi32_si128(8 * PLACE));
        _mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(255)))
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        _mm256_setzero_si256()
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, x: Self::Bytes) -> Self::Ints {
        if VNNI {
            return _mm256_dpbusd_avx_epi32(sum, weights, x);
        }
        let pairs = _mm256_maddubs_epi16(weights, x);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }

    #[inline(always)]
    unsafe fn of_ints(sum: Self::Ints) -> Self::Floats {
        _mm256_cvtepi32_ps(sum)
    }

    #[inline(always)]
    unsafe fn floats(at: *const f32) -> Self::Floats {
        _mm256_loadu_ps(at)
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, values: Self::Floats) {
        _mm256_storeu_ps(at, values);
    }

    #[inline(always)]
    unsafe fn halves(at: *const u16) -> Self::Floats {
        _mm256_cvtph_ps(_mm_loadu_si128(at.cast()))
    }

    #[inline(always)]
    unsafe fn store_halves(at: *mut u16, values: Self::Floats) {
        let greatest = _mm256_set1_ps(GREATEST);
        let values = _mm256_max_ps(_mm256_min_ps(values, greatest), _mm256_sub_ps(_mm256_setzero_ps(), greatest));
        _mm_storeu_si128(at.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values));
    }

    #[inline(always)]
    unsafe fn store_ints(at: *mut i8, values: Self::Floats) {
        let ints = _mm256_cvtps_epi32(values);
        let words = _mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256::<1>(ints));
        _mm_storel_epi64(at.cast(), _mm_packs_epi16(words, words));
    }

    #[inline(always)]
    unsafe fn signed(at: *const i8) -> Self::Floats {
        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast())))
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        _mm256_set1_ps(value)
    }

    #[inline(always)]
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        _mm256_add_ps(a, b)
    }

    #[inline(always)]
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        _mm256_sub_ps(a, b)
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        _mm256_mul_ps(a, b)
    }

    #[inline(always)]
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        _mm256_div_ps(a, b)
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        _mm256_fmadd_ps(a, b, c)
    }

    #[inline(always)]
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        _mm256_max_ps(a, b)
    }

    #[inline(always)]
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        _mm256_min_ps(a, b)
    }

    #[inline(always)]
    unsafe fn nearest(a: Self::Floats) -> Self::Floats {
        _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Self::Floats) -> Self::Floats {
        let biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
    }
}
