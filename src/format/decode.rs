//! A file's bytes -> values, one function for each [`Encoding`](super::Encoding). Each takes whole blocks, and gives
//! bit for bit what GGUF's own tools give: products and sums are rounded in the same order.

use half::f16 as F16;

pub(super) fn f32(bytes: &[u8], values: &mut [f32]) {
    for (value, b) in values.iter_mut().zip(bytes.chunks_exact(4)) {
        *value = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    }
}

pub(super) fn f16(bytes: &[u8], values: &mut [f32]) {
    for (value, b) in values.iter_mut().zip(bytes.chunks_exact(2)) {
        *value = half_at(b);
    }
}

pub(super) fn bf16(bytes: &[u8], values: &mut [f32]) {
    for (value, b) in values.iter_mut().zip(bytes.chunks_exact(2)) {
        *value = f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16);
    }
}

/// Scale, 32 x i8.
pub(super) fn q8_0(bytes: &[u8], values: &mut [f32]) {
    for (block, values) in bytes.chunks_exact(34).zip(values.chunks_exact_mut(32)) {
        let scale = half_at(block);
        for (value, &quant) in values.iter_mut().zip(&block[2..]) {
            *value = scale * f32::from(quant as i8);
        }
    }
}

/// Scale, 32 x u4 that stand for -8 to 7: the low halves of the bytes first, then the high ones.
pub(super) fn q4_0(bytes: &[u8], values: &mut [f32]) {
    for (block, values) in bytes.chunks_exact(18).zip(values.chunks_exact_mut(32)) {
        let scale = half_at(block);
        let (low, high) = values.split_at_mut(16);
        for ((low, high), quants) in low.iter_mut().zip(high).zip(&block[2..]) {
            *low = scale * f32::from((quants & 15) as i8 - 8);
            *high = scale * f32::from((quants >> 4) as i8 - 8);
        }
    }
}

/// Scale, minimum, 32 x u4.
pub(super) fn q4_1(bytes: &[u8], values: &mut [f32]) {
    for (block, values) in bytes.chunks_exact(20).zip(values.chunks_exact_mut(32)) {
        let (scale, minimum) = (half_at(block), half_at(&block[2..]));
        let (low, high) = values.split_at_mut(16);
        for ((low, high), quants) in low.iter_mut().zip(high).zip(&block[4..]) {
            *low = scale * f32::from(quants & 15) + minimum;
            *high = scale * f32::from(quants >> 4) + minimum;
        }
    }
}

/// Scale of scales, scale of minimums, 8 scales and 8 minimums of 6 bits, 256 x u4 in eight runs of 32.
pub(super) fn q4_k(bytes: &[u8], values: &mut [f32]) {
    for (block, values) in bytes.chunks_exact(144).zip(values.chunks_exact_mut(256)) {
        for (run, values) in values.chunks_exact_mut(32).enumerate() {
            let (scale, minimum) = scale_and_minimum(block, run);
            let quants = &block[16 + run / 2 * 32..];
            for (value, quant) in values.iter_mut().zip(quants) {
                *value = scale * f32::from(quant >> (run % 2 * 4) & 15) - minimum;
            }
        }
    }
}

/// As [`q4_k`] with a fifth bit for each value, in 32 bytes ahead of the other four: bit `run` of byte `i`.
pub(super) fn q5_k(bytes: &[u8], values: &mut [f32]) {
    for (block, values) in bytes.chunks_exact(176).zip(values.chunks_exact_mut(256)) {
        for (run, values) in values.chunks_exact_mut(32).enumerate() {
            let (scale, minimum) = scale_and_minimum(block, run);
            let (fifths, quants) = (&block[16..48], &block[48 + run / 2 * 32..]);
            for ((value, quant), fifth) in values.iter_mut().zip(quants).zip(fifths) {
                let quant = (quant >> (run % 2 * 4) & 15) | (fifth >> run & 1) << 4;
                *value = scale * f32::from(quant) - minimum;
            }
        }
    }
}

/// 256 x u6 that stand for -32 to 31: 128 bytes with their lower four bits, 64 with their upper two; then 16 scales of
/// 8 bits and the scale of these.
pub(super) fn q6_k(bytes: &[u8], values: &mut [f32]) {
    for (block, values) in bytes.chunks_exact(210).zip(values.chunks_exact_mut(256)) {
        let scale = half_at(&block[208..]);
        for (run, values) in values.chunks_exact_mut(32).enumerate() {
            let (half, quarter) = (run / 4, run % 4);
            let lower = &block[half * 64 + quarter % 2 * 32..];
            let upper = &block[128 + half * 32..];
            let scales = &block[192 + run * 2..];
            for (i, value) in values.iter_mut().enumerate() {
                let quant = (lower[i] >> (quarter / 2 * 4) & 15) | (upper[i] >> (quarter * 2) & 3) << 4;
                *value = scale * f32::from(scales[i / 16] as i8) * f32::from(quant as i8 - 32);
            }
        }
    }
}

/// Scale and minimum of a run of 32 in a block of Q4_K or Q5_K: `w = scale * q - minimum`.
pub(super) fn scale_and_minimum(block: &[u8], run: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, minimum) = if run < 4 {
        (packed[run] & 63, packed[run + 4] & 63)
    } else {
        // The upper two bits stand above the six of the first four scales and minimums.
        let upper = (packed[run - 4] >> 6 << 4, packed[run] >> 6 << 4);
        (packed[run + 4] & 15 | upper.0, packed[run + 4] >> 4 | upper.1)
    };
    (half_at(block) * f32::from(scale), half_at(&block[2..]) * f32::from(minimum))
}

/// The f16 that leads `bytes`.
pub(super) fn half_at(bytes: &[u8]) -> f32 {
    F16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use crate::format::ENCODINGS;
    use serde::Deserialize;

    /// A type's bytes from `at`, then its expected values.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        at: usize,
        bytes: usize,
        values: usize,
    }

    /// Made by `tests/golden/gguf_types.py` with the PyPI package `gguf`.
    #[test]
    fn every_type_decodes_bit_for_bit_as_gguf_does() {
        let data = include_bytes!("../../tests/golden/gguf_types.bin");
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/golden/gguf_types.json")).unwrap();
        for info in ENCODINGS {
            let case = cases.iter().find(|case| case.name == info.name).expect(info.name);
            let (stored, expected) = data[case.at..].split_at(case.bytes);
            assert_eq!(case.values as u64, case.bytes as u64 / info.block_bytes * info.block, "{}", info.name);
            let mut values = vec![0.0f32; case.values];
            (info.decode)(stored, &mut values);
            for (i, (value, expected)) in values.iter().zip(expected.chunks_exact(4)).enumerate() {
                let expected = f32::from_le_bytes(expected.try_into().unwrap());
                assert_eq!(value.to_bits(), expected.to_bits(), "{} value {i}: {value}, not {expected}", info.name);
            }
        }
    }
}
