//! Rows of f32 <-> the bytes of the device formats, in the planar layout that [`Format`] describes.

use crate::format::decode::half_at;
use crate::format::{BLOCK, Format};
use crate::weights::{Layout, Part};
use crate::{Error, Result};
use half::f16;

const BLOCK_LEN: usize = BLOCK as usize;

/// A matrix as it stands on the device, read on the host.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    /// Format, shape, and where values and scales stand.
    pub layout: &'a Layout,
    /// The bytes of each of the layout's parts.
    pub parts: &'a [Vec<u8>],
}

impl Packed<'_> {
    /// Decodes row `output` into `values`, as long as a row (`layout.inputs`).
    ///
    /// # Panics
    /// Where the row is beyond the matrix or `values` has another length: the caller's shapes are checked before.
    pub fn row(&self, output: u32, values: &mut [f32]) {
        assert_eq!(values.len(), self.layout.inputs as usize, "a row holds {} values", self.layout.inputs);
        let (index, part) = self.layout.part_of(output);
        let bytes = &self.parts[index];
        assert!(output - part.first_output < part.outputs, "row {output} of {}", self.layout.outputs);
        let (row_values, row_scales) = row_ranges(self.layout, &part, output);
        decode_row(part.format, &bytes[row_values], &bytes[row_scales], values);
    }
}

/// Encodes a whole matrix, `[outputs, inputs]` row-major, into the bytes of the layout's parts.
///
/// # Errors
/// As [`encode_row`], and where `matrix` has not the layout's size.
pub fn pack(layout: &Layout, matrix: &[f32]) -> Result<Vec<Vec<u8>>> {
    let inputs = layout.inputs as usize;
    if matrix.len() != layout.outputs as usize * inputs {
        let (given, outputs) = (matrix.len(), layout.outputs);
        return Err(Error::Model(format!("{given} values given for a weight of shape [{outputs}, {inputs}]")));
    }
    let mut rows = matrix.chunks_exact(inputs);
    layout.parts.iter().map(|part| pack_part(part, &mut rows)).collect()
}

fn pack_part<'a>(part: &Part, rows: &mut impl Iterator<Item = &'a [f32]>) -> Result<Vec<u8>> {
    let mut values = Vec::with_capacity(part.bytes as usize);
    let mut scales = Vec::new();
    for row in rows.take(part.outputs as usize) {
        encode_row(part.format, row, &mut values, &mut scales)?;
    }
    values.resize(part.scales_at as usize, 0);
    values.append(&mut scales);
    values.resize(part.bytes as usize, 0);
    Ok(values)
}

fn row_ranges(layout: &Layout, part: &Part, output: u32) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let row = (output - part.first_output) as usize;
    let value_bytes = layout.row_blocks() as usize * part.format.value_bytes() as usize;
    let scale_bytes = layout.row_blocks() as usize * part.format.scale_bytes() as usize;
    let scales = part.scales_at as usize + row * scale_bytes;
    (row * value_bytes..(row + 1) * value_bytes, scales..scales + scale_bytes)
}

/// Appends one row to a region of values and one of scales, padded with zeros to whole blocks. The padding decodes to
/// exactly 0 in every format.
///
/// # Errors
/// Where the format cannot hold a value: it is infinite, no number, or too large for f16.
pub fn encode_row(format: Format, row: &[f32], values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    let padded = row.len().next_multiple_of(BLOCK_LEN);
    match format {
        Format::F32 => {
            for (bytes, value) in grow(values, padded * 4).chunks_exact_mut(4).zip(row) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
        }
        Format::F16 => encode_f16(row, grow(values, padded * 2))?,
        Format::Q8 => for_blocks(row, |block, _| encode_q8(block, values, scales))?,
        Format::Q4 => for_blocks(row, |block, padded| encode_q4(block, padded, values, scales))?,
    }
    Ok(())
}

/// Decodes one row from its run of values and its run of scales; the inverse of [`encode_row`]. `row` may end before
/// the last block does.
pub fn decode_row(format: Format, values: &[u8], scales: &[u8], row: &mut [f32]) {
    match format {
        Format::F32 => {
            for (value, bytes) in row.iter_mut().zip(values.chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        Format::F16 => {
            for (value, bytes) in row.iter_mut().zip(values.chunks_exact(2)) {
                *value = half_at(bytes);
            }
        }
        Format::Q8 => {
            let blocks = values.chunks_exact(32).zip(scales.chunks_exact(2));
            for (block, (quants, scale)) in row.chunks_mut(BLOCK_LEN).zip(blocks) {
                let scale = half_at(scale);
                for (value, &quant) in block.iter_mut().zip(quants) {
                    *value = scale * f32::from(quant as i8);
                }
            }
        }
        Format::Q4 => {
            let blocks = values.chunks_exact(16).zip(scales.chunks_exact(4));
            for (block, (quants, pair)) in row.chunks_mut(BLOCK_LEN).zip(blocks) {
                let (scale, minimum) = (half_at(pair), half_at(&pair[2..]));
                let nibbles = quants.iter().map(|byte| byte & 15).chain(quants.iter().map(|byte| byte >> 4));
                for (value, quant) in block.iter_mut().zip(nibbles) {
                    *value = scale * f32::from(quant) + minimum;
                }
            }
        }
    }
}

/// The next `length` bytes of a region, as zeros.
fn grow(region: &mut Vec<u8>, length: usize) -> &mut [u8] {
    let start = region.len();
    region.resize(start + length, 0);
    &mut region[start..]
}

fn encode_f16(row: &[f32], values: &mut [u8]) -> Result<()> {
    let mut overflows = false;
    for (bytes, value) in values.chunks_exact_mut(2).zip(row) {
        let half = f16::from_f32(*value);
        overflows |= !half.is_finite();
        bytes.copy_from_slice(&half.to_le_bytes());
    }
    if overflows { Err(unfit(row)) } else { Ok(()) }
}

/// Calls `encode` with each block of a row; the last one may be padded with zeros.
fn for_blocks(row: &[f32], mut encode: impl FnMut(&[f32; BLOCK_LEN], bool) -> Result<()>) -> Result<()> {
    let (blocks, rest) = row.as_chunks::<BLOCK_LEN>();
    blocks.iter().try_for_each(|block| encode(block, false))?;
    if rest.is_empty() {
        return Ok(());
    }
    let mut block = [0.0; BLOCK_LEN];
    block[..rest.len()].copy_from_slice(rest);
    encode(&block, true)
}

/// Symmetric: the greatest magnitude becomes 127 steps.
fn encode_q8(block: &[f32; BLOCK_LEN], values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    let (least, greatest) = range(block)?;
    let scale = fitting_half(greatest.max(-least) / 127.0, block)?;
    let inverse = inverse(scale);
    values.extend(block.map(|value| nearest((value * inverse).clamp(-127.0, 127.0))));
    scales.extend(scale.to_le_bytes());
    Ok(())
}

/// From the least value, 0, to the greatest, 15.
fn encode_q4(block: &[f32; BLOCK_LEN], padded: bool, values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    let (least, greatest) = range(block)?;
    let (scale, minimum) = match padded {
        false => (fitting_half((greatest - least) / 15.0, block)?, fitting_half(least, block)?),
        true => range_with_zero(least, greatest, block)?,
    };
    let (inverse, least) = (inverse(scale), minimum.to_f32());
    let quants = block.map(|value| nearest(((value - least) * inverse).clamp(0.0, 15.0)));
    let (low, high) = quants.split_at(BLOCK_LEN / 2);
    values.extend(low.iter().zip(high).map(|(low, high)| low | high << 4));
    scales.extend(scale.to_le_bytes());
    scales.extend(minimum.to_le_bytes());
    Ok(())
}

/// The least and the greatest value. Floats are ordered by their bits, in which a NaN lies beyond infinity: comparing
/// them as numbers would pass it over.
fn range(block: &[f32; BLOCK_LEN]) -> Result<(f32, f32)> {
    // Of negative floats the magnitude's bits are turned, so that they order like whole numbers; twice gives them back.
    let turn = |bits: i32| bits ^ (bits >> 31 & i32::MAX);
    let (mut least, mut greatest) = (i32::MAX, i32::MIN);
    for value in block {
        let key = turn(value.to_bits() as i32);
        least = least.min(key);
        greatest = greatest.max(key);
    }
    let (least, greatest) = (f32::from_bits(turn(least) as u32), f32::from_bits(turn(greatest) as u32));
    if (greatest - least).is_finite() { Ok((least, greatest)) } else { Err(unfit(block)) }
}

/// Scale and minimum of a block that ends in padding: one of its sixteen steps is exactly 0. For that the minimum must
/// be a multiple of the scale, up to 15 times it, and still an f16: so the scale has seven bits instead of eleven.
fn range_with_zero(least: f32, greatest: f32, block: &[f32]) -> Result<(f16, f16)> {
    let wanted = fitting_half((greatest - least) / 15.0, block)?.to_bits();
    let scale = f16::from_bits(wanted.next_multiple_of(16));
    let steps = (-least * inverse(scale)).clamp(0.0, 15.0).round();
    Ok((fitting_half(scale.to_f32(), block)?, fitting_half(-steps * scale.to_f32(), block)?))
}

/// 1 / scale, or 0 where every value of the block rounds to the minimum.
fn inverse(scale: f16) -> f32 {
    if scale == f16::ZERO { 0.0 } else { 1.0 / scale.to_f32() }
}

/// The whole number nearest to a value of -127 to 127, as a byte in two's complement. Adding 1.5 * 2^23 leaves the
/// number in the low bits of the sum: far faster than a call to `round` where that is no instruction.
fn nearest(value: f32) -> u8 {
    (value + 12_582_912.0).to_bits() as u8
}

/// A number that `block` calls for, as f16.
fn fitting_half(value: f32, block: &[f32]) -> Result<f16> {
    let half = f16::from_f32(value);
    if half.is_finite() { Ok(half) } else { Err(unfit(block)) }
}

/// The error for values that an f16, or a block's f16 scale, cannot hold: it names the greatest, or what is no number.
fn unfit(values: &[f32]) -> Error {
    let worst = values.iter().copied().reduce(|a, b| if a.is_nan() || a.abs() > b.abs() { a } else { b });
    let worst = worst.unwrap_or_default();
    Error::Model(format!("holds {worst:e}, which f16 cannot (at most 65504); load it with --precision f32"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Shape;
    use proptest::prelude::*;

    const LIMIT: u64 = 128 << 20;

    fn rows() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(prop_oneof![-4.0f32..4.0, Just(0.0), -1e-6f32..1e-6, -900.0f32..900.0], 1..100)
    }

    fn round_trip(format: Format, row: &[f32]) -> (Vec<f32>, Vec<u8>, Vec<u8>) {
        let (mut values, mut scales) = (Vec::new(), Vec::new());
        encode_row(format, row, &mut values, &mut scales).unwrap();
        let blocks = row.len().div_ceil(BLOCK_LEN);
        assert_eq!(values.len() as u64, blocks as u64 * format.value_bytes());
        assert_eq!(scales.len() as u64, blocks as u64 * format.scale_bytes());
        let mut padded = vec![f32::NAN; blocks * BLOCK_LEN];
        decode_row(format, &values, &scales, &mut padded);
        (padded, values, scales)
    }

    proptest! {
        #[test]
        fn rows_come_back_within_half_a_step_and_padding_as_zero(row in rows()) {
            for format in Format::ALL {
                let (decoded, _, _) = round_trip(format, &row);
                for (block, decoded) in row.chunks(BLOCK_LEN).zip(decoded.chunks(BLOCK_LEN)) {
                    let magnitude = block.iter().fold(0.0f32, |greatest, value| greatest.max(value.abs()));
                    let allowed = match format {
                        Format::F32 => 0.0,
                        Format::F16 => magnitude / 2048.0 + 6e-8,
                        // Half a step, and what rounding the scale to f16 adds at the ends of the range.
                        Format::Q8 => magnitude / 127.0 * 0.6 + 8e-6,
                        Format::Q4 => magnitude * 2.0 / 15.0 * 0.6 + 1e-5,
                    };
                    for (value, back) in block.iter().zip(decoded) {
                        prop_assert!((value - back).abs() <= allowed, "{}: {value} became {back}", format.name());
                    }
                    prop_assert!(decoded[block.len()..].iter().all(|&value| value == 0.0), "{}", format.name());
                }
            }
        }
    }

    #[test]
    fn what_a_format_cannot_hold_is_named() {
        for format in [Format::F16, Format::Q8, Format::Q4] {
            for bad in [f32::NAN, f32::INFINITY, -1e9] {
                let mut row = [0.5f32; 40];
                row[35] = bad;
                let error = encode_row(format, &row, &mut Vec::new(), &mut Vec::new()).unwrap_err();
                assert!(error.to_string().contains(&format!("{bad:e}")), "{}: {error}", format.name());
            }
        }
        let mut values = Vec::new();
        encode_row(Format::F32, &[f32::MAX], &mut values, &mut Vec::new()).unwrap();
        assert_eq!(values[..4], f32::MAX.to_le_bytes());
    }

    #[test]
    fn a_matrix_in_parts_is_read_by_row() {
        let shape = Shape::Matrix { outputs: 150, inputs: 33 };
        let matrix: Vec<f32> = (0..150 * 33).map(|i| (i % 251) as f32 - 125.0).collect();
        for format in Format::ALL {
            let layout = Layout::new(format, shape, 33_000).unwrap();
            assert_eq!(layout.parts.len() > 1, format == Format::F32, "{}", format.name());
            let parts = pack(&layout, &matrix).unwrap();
            let lengths: Vec<u64> = parts.iter().map(|part| part.len() as u64).collect();
            assert_eq!(lengths, layout.parts.iter().map(|part| part.bytes).collect::<Vec<_>>());
            let mut row = [0.0; 33];
            for output in [0, 63, 64, 127, 128, 149] {
                Packed { layout: &layout, parts: &parts }.row(output, &mut row);
                let expected = &matrix[output as usize * 33..][..33];
                let (decoded, _, _) = round_trip(format, expected);
                assert_eq!(row, decoded[..33], "{} row {output}", format.name());
            }
        }
        assert!(pack(&Layout::new(Format::F32, shape, LIMIT).unwrap(), &matrix[1..]).is_err());
    }

    #[test]
    fn q4_holds_value_i_low_and_value_i_plus_16_high() {
        let row: Vec<f32> = (0..32).map(|i| (i % 16) as f32 * 0.5 - 2.0).collect();
        let (decoded, values, scales) = round_trip(Format::Q4, &row);
        assert_eq!(decoded, row);
        assert_eq!(values, (0..16).map(|i| i | i << 4).collect::<Vec<u8>>());
        assert_eq!(scales, [f16::from_f32(0.5).to_le_bytes(), f16::from_f32(-2.0).to_le_bytes()].concat());
    }
}
