//! A file's blocks -> the device's, where the same whole numbers serve: copied, not decoded.

use crate::format::decode::{half_at, scale_and_minimum};
use crate::format::{Encoding, Format};
use crate::{Error, Result};
use half::f16;

/// Appends whole blocks, or the end of a row of floats, to a region of values and one of scales.
pub type Repack = fn(&[u8], &mut Vec<u8>, &mut Vec<u8>) -> Result<()>;

/// The direct way from an encoding to a format; `None` where values must be decoded and encoded anew.
pub fn repack(encoding: Encoding, format: Format) -> Option<Repack> {
    match (encoding, format) {
        (Encoding::F32, Format::F32) => Some(|bytes, values, _| copy(bytes, values, Format::F32)),
        (Encoding::F16, Format::F16) => Some(|bytes, values, _| copy(bytes, values, Format::F16)),
        (Encoding::Q8_0, Format::Q8) => Some(q8_0),
        (Encoding::Q4_0, Format::Q4) => Some(q4_0),
        (Encoding::Q4_1, Format::Q4) => Some(q4_1),
        (Encoding::Q4K, Format::Q4) => Some(q4_k),
        _ => None,
    }
}

fn copy(bytes: &[u8], values: &mut Vec<u8>, format: Format) -> Result<()> {
    values.extend_from_slice(bytes);
    values.resize(values.len().next_multiple_of(format.value_bytes() as usize), 0);
    Ok(())
}

fn q8_0(bytes: &[u8], values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    for block in bytes.chunks_exact(34) {
        scales.extend_from_slice(&block[..2]);
        values.extend_from_slice(&block[2..]);
    }
    Ok(())
}

/// `scale * (q - 8)` is `scale * q - 8 * scale`, exactly.
fn q4_0(bytes: &[u8], values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    for block in bytes.chunks_exact(18) {
        let minimum = fitting_half(-8.0 * half_at(block))?;
        scales.extend_from_slice(&block[..2]);
        scales.extend_from_slice(&minimum.to_le_bytes());
        values.extend_from_slice(&block[2..]);
    }
    Ok(())
}

fn q4_1(bytes: &[u8], values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    for block in bytes.chunks_exact(20) {
        scales.extend_from_slice(&block[..4]);
        values.extend_from_slice(&block[4..]);
    }
    Ok(())
}

/// A file's byte holds a value of one run low and of the next run high; the device's holds two of the same run.
fn q4_k(bytes: &[u8], values: &mut Vec<u8>, scales: &mut Vec<u8>) -> Result<()> {
    for block in bytes.chunks_exact(144) {
        for run in 0..8 {
            let (scale, minimum) = scale_and_minimum(block, run);
            scales.extend_from_slice(&fitting_half(scale)?.to_le_bytes());
            scales.extend_from_slice(&fitting_half(-minimum)?.to_le_bytes());
        }
        for pair in block[16..].chunks_exact(32) {
            let (first, second) = pair.split_at(16);
            values.extend(first.iter().zip(second).map(|(a, b)| a & 15 | b << 4));
            values.extend(first.iter().zip(second).map(|(a, b)| a >> 4 | b & 0xf0));
        }
    }
    Ok(())
}

fn fitting_half(value: f32) -> Result<f16> {
    let half = f16::from_f32(value);
    if half.is_finite() {
        return Ok(half);
    }
    Err(Error::File(format!("has a block with the scale {value:e}, which no sound model has (at most 65504)")))
}
