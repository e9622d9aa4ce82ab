//! How weights are stored: the encodings of files, the formats on the device, and the way from one to the other.

mod decode;
mod encoding;
mod packed;
mod repack;

pub use encoding::{Decode, ENCODINGS, Encoding, EncodingInfo, tensor_bytes};
pub use packed::{Packed, decode_row, encode_row, pack};
pub use repack::{Repack, repack};

/// How a matrix stands on the device. Values are held in blocks of [`BLOCK`] along a row, rows padded with zeros to
/// whole blocks, in up to two regions of one buffer: all values first, then (from a multiple of 256 bytes) all scales.
///
/// | format | values, per block | scales, per block |
/// | --- | --- | --- |
/// | `f32` | 32 x f32 | none |
/// | `f16` | 32 x f16 | none |
/// | `q8` | 32 x i8 | f16 scale; `w = scale * q` |
/// | `q4` | 16 bytes: byte `i` holds value `i` (low four bits) and `i + 16` (high), 0 to 15 | f16 scale, f16 minimum; `w = scale * q + minimum` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 4 bytes a value.
    F32,
    /// 2 bytes a value.
    F16,
    /// 8 bits a value and a scale.
    Q8,
    /// 4 bits a value, a scale and a minimum.
    Q4,
}

/// Weights in a block: every format and every kernel works in blocks of this many values along a row.
pub const BLOCK: u32 = 32;

impl Format {
    /// Every format, for tests and for listing what is supported.
    pub const ALL: [Format; 4] = [Format::F32, Format::F16, Format::Q8, Format::Q4];

    /// The name in options, in reports and of the file in `shaders/formats/`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::F16 => "f16",
            Format::Q8 => "q8",
            Format::Q4 => "q4",
        }
    }

    /// The WGSL that reads this format: declares the bindings of group 2 and the functions that kernels call.
    pub const fn wgsl(self) -> &'static str {
        match self {
            Format::F32 => crate::kernels::macros::wgsl!("formats/f32"),
            Format::F16 => crate::kernels::macros::wgsl!("formats/f16"),
            Format::Q8 => crate::kernels::macros::wgsl!("formats/q8"),
            Format::Q4 => crate::kernels::macros::wgsl!("formats/q4"),
        }
    }

    /// Bytes of one block in the region of values.
    pub const fn value_bytes(self) -> u64 {
        match self {
            Format::F32 => 128,
            Format::F16 => 64,
            Format::Q8 => 32,
            Format::Q4 => 16,
        }
    }

    /// Bytes of one block in the region of scales; 0 where there is none.
    pub const fn scale_bytes(self) -> u64 {
        match self {
            Format::F32 | Format::F16 => 0,
            Format::Q8 => 2,
            Format::Q4 => 4,
        }
    }
}
