//! The order in which weights are read: eight rows of a matrix at a time, a panel, so that lanes are rows.
//!
//! | format | a block of a panel, values | scales |
//! | --- | --- | --- |
//! | `f32`, `f16` | 32 times eight values, one of each row | none |
//! | `q4` | four times 32 bytes: byte `4 r + i` holds of row `r` value `8 j + i` (low four bits) and `8 j + 4 + i` (high) | eight scales, eight minima |
//! | `q8` | `q + 128` as two of the same: its lower four bits, then its higher | eight scales |
//!
//! Every panel takes as many bytes as its rows took before, so it is put in order where it stands: nothing is held twice.

use crate::lanes::LANES;
use crate::lanes::half_bits::to_f32;
use crate::op::{BLOCK, Format, Matrix};

/// Bytes of a block in the region of values.
pub const fn value_bytes(format: Format) -> usize {
    match format {
        Format::F32 => 4 * BLOCK,
        Format::F16 => 2 * BLOCK,
        Format::Q8 => BLOCK,
        Format::Q4 => BLOCK / 2,
    }
}

/// Bytes of a block in the region of scales.
pub const fn scale_bytes(format: Format) -> usize {
    match format {
        Format::F32 | Format::F16 => 0,
        Format::Q8 => 2,
        Format::Q4 => 4,
    }
}

/// Bytes of the values of a matrix, and of its scales: whole panels.
pub fn bytes(format: Format, outputs: u32, inputs: u32) -> [u64; 2] {
    let blocks = u64::from(outputs).next_multiple_of(LANES as u64) * u64::from(inputs).div_ceil(BLOCK as u64);
    [blocks * value_bytes(format) as u64, blocks * scale_bytes(format) as u64]
}

/// Bytes that [`pack`] needs meanwhile.
pub fn scratch_bytes(matrix: &Matrix) -> usize {
    LANES * matrix.blocks() * value_bytes(matrix.format)
}

/// Puts a matrix in order that stands row by row.
///
/// # Safety
/// As everywhere here; `scratch` has [`scratch_bytes`].
pub unsafe fn pack(matrix: &Matrix, scratch: *mut u8) {
    let blocks = matrix.blocks();
    let (values, scales) = (blocks * value_bytes(matrix.format), blocks * scale_bytes(matrix.format));
    for panel in 0..matrix.panels() {
        let at = (matrix.values + panel * LANES * values) as *mut u8;
        copy(at, scratch, LANES * values);
        match matrix.format {
            Format::F32 => weave::<4>(scratch, values, at),
            Format::F16 => weave::<2>(scratch, values, at),
            Format::Q4 => pack_q4(scratch, blocks, at),
            Format::Q8 => pack_q8(scratch, blocks, at),
        }
        let at = (matrix.scales + panel * LANES * scales) as *mut u8;
        copy(at, scratch, LANES * scales);
        match matrix.format {
            Format::F32 | Format::F16 => {}
            Format::Q8 => weave::<2>(scratch, scales, at),
            Format::Q4 => {
                for part in 0..2 {
                    // Scale and minimum alternate in a row; of a panel all scales of a block come first.
                    for (block, row) in (0..blocks).flat_map(|block| (0..LANES).map(move |row| (block, row))) {
                        let from = scratch.add(row * scales + 4 * block + 2 * part);
                        copy(from, at.add(32 * block + 16 * part + 2 * row), 2);
                    }
                }
            }
        }
    }
}

unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    core::ptr::copy_nonoverlapping(from, to, bytes);
}

/// Eight rows of `row_bytes` -> item by item, eight next to each other.
unsafe fn weave<const BYTES: usize>(rows: *const u8, row_bytes: usize, to: *mut u8) {
    for item in 0..row_bytes / BYTES {
        for row in 0..LANES {
            copy(rows.add(row * row_bytes + item * BYTES), to.add((item * LANES + row) * BYTES), BYTES);
        }
    }
}

unsafe fn pack_q4(rows: *const u8, blocks: usize, to: *mut u8) {
    for (row, block) in (0..LANES).flat_map(|row| (0..blocks).map(move |block| (row, block))) {
        // Byte `i` of a row's block holds values `i` and `i + 16`.
        let bytes = rows.add((row * blocks + block) * 16).cast::<[u8; 16]>().read();
        let value = |i: usize| if i < 16 { bytes[i] & 15 } else { bytes[i - 16] >> 4 };
        put_nibbles(to.add(128 * block), row, value);
    }
}

unsafe fn pack_q8(rows: *const u8, blocks: usize, to: *mut u8) {
    for (row, block) in (0..LANES).flat_map(|row| (0..blocks).map(move |block| (row, block))) {
        let bytes = rows.add((row * blocks + block) * 32).cast::<[u8; 32]>().read();
        // Adding 128 to an i8 turns its highest bit.
        put_nibbles(to.add(256 * block), row, |i| (bytes[i] ^ 128) & 15);
        put_nibbles(to.add(256 * block + 128), row, |i| (bytes[i] ^ 128) >> 4);
    }
}

/// A row's 32 values of four bits into a panel's block of 128 bytes.
unsafe fn put_nibbles(to: *mut u8, row: usize, value: impl Fn(usize) -> u8) {
    for (j, i) in (0..4).flat_map(|j| (0..4).map(move |i| (j, i))) {
        *to.add(32 * j + 4 * row + i) = value(8 * j + i) | value(8 * j + 4 + i) << 4;
    }
}

/// The bits of value `i` of a row in a panel's block of 128 bytes.
unsafe fn nibble(block: *const u8, row: usize, i: usize) -> u8 {
    let byte = *block.add(32 * (i / 8) + 4 * row + i % 4);
    if i % 8 < 4 { byte & 15 } else { byte >> 4 }
}

/// Value `i` of row `output` of a matrix in order.
///
/// # Safety
/// As everywhere here.
pub unsafe fn value(matrix: &Matrix, output: usize, i: usize) -> f32 {
    let (panel, row, block, i) = (output / LANES, output % LANES, i / BLOCK, i % BLOCK);
    let place = panel * matrix.blocks() + block;
    let values = (matrix.values + place * LANES * value_bytes(matrix.format)) as *const u8;
    let scales = (matrix.scales + place * LANES * scale_bytes(matrix.format)) as *const u16;
    match matrix.format {
        Format::F32 => values.cast::<f32>().add(LANES * i + row).read(),
        Format::F16 => to_f32(values.cast::<u16>().add(LANES * i + row).read()),
        Format::Q4 => {
            let (scale, minimum) = (to_f32(scales.add(row).read()), to_f32(scales.add(LANES + row).read()));
            f32::from(nibble(values, row, i)) * scale + minimum
        }
        Format::Q8 => {
            let bits = nibble(values, row, i) | nibble(values.add(128), row, i) << 4;
            f32::from((bits ^ 128) as i8) * to_f32(scales.add(row).read())
        }
    }
}
