//! How files store tensors: one table, and the names of what is not in it.

use crate::format::{Format, decode};
use crate::{Error, Result};

/// How a file stores a tensor. One row of [`ENCODINGS`] each, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    BF16,
    /// Blocks of 32: a scale, 8 bits a value.
    Q8_0,
    /// Blocks of 32: a scale, 4 bits a value.
    Q4_0,
    /// Blocks of 32: a scale, a minimum, 4 bits a value.
    Q4_1,
    /// Blocks of 256: 8 scales and minimums, 4 bits a value.
    Q4K,
    /// Blocks of 256: 8 scales and minimums, 5 bits a value.
    Q5K,
    /// Blocks of 256: 16 scales, 6 bits a value.
    Q6K,
    /// Known by its name only: such a tensor may stand in a file, but no model can use it.
    Unsupported(&'static str),
}

/// Turns whole blocks of a file's bytes into values.
pub type Decode = fn(&[u8], &mut [f32]);

/// What is known of an encoding.
#[derive(Debug, Clone, Copy)]
pub struct EncodingInfo {
    /// Which one it is.
    pub encoding: Encoding,
    /// The name in GGUF's tools; safetensors uses the same for floats.
    pub name: &'static str,
    /// The number in a GGUF's tensor list.
    pub gguf_type: u32,
    /// Values in a block; rows are whole blocks.
    pub block: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// The way to values.
    pub decode: Decode,
    /// What a matrix becomes on the device; `None` for floats, which become what the caller's precision says.
    pub resident: Option<Format>,
}

/// Every encoding that is supported.
#[rustfmt::skip]
pub const ENCODINGS: [EncodingInfo; 9] = [
    info(Encoding::F32,  "F32",  0,  1,   4,   decode::f32,  None),
    info(Encoding::F16,  "F16",  1,  1,   2,   decode::f16,  None),
    info(Encoding::BF16, "BF16", 30, 1,   2,   decode::bf16, None),
    info(Encoding::Q8_0, "Q8_0", 8,  32,  34,  decode::q8_0, Some(Format::Q8)),
    info(Encoding::Q4_0, "Q4_0", 2,  32,  18,  decode::q4_0, Some(Format::Q4)),
    info(Encoding::Q4_1, "Q4_1", 3,  32,  20,  decode::q4_1, Some(Format::Q4)),
    info(Encoding::Q4K,  "Q4_K", 12, 256, 144, decode::q4_k, Some(Format::Q4)),
    info(Encoding::Q5K,  "Q5_K", 13, 256, 176, decode::q5_k, Some(Format::Q8)),
    info(Encoding::Q6K,  "Q6_K", 14, 256, 210, decode::q6_k, Some(Format::Q8)),
];

/// GGUF's other types: name, number, values in a block, bytes of a block.
#[rustfmt::skip]
const OTHER_GGUF_TYPES: [(&str, u32, u64, u64); 25] = [
    ("Q5_0",    6,  32,  22), ("Q5_1",    7,  32,  24),  ("Q8_1",    9,  32,  40), ("Q2_K",    10, 256, 84),
    ("Q3_K",    11, 256, 110), ("Q8_K",   15, 256, 292), ("IQ2_XXS", 16, 256, 66), ("IQ2_XS",  17, 256, 74),
    ("IQ3_XXS", 18, 256, 98), ("IQ1_S",   19, 256, 50),  ("IQ4_NL",  20, 32,  18), ("IQ3_S",   21, 256, 110),
    ("IQ2_S",   22, 256, 82), ("IQ4_XS",  23, 256, 136), ("I8",      24, 1,   1),  ("I16",     25, 1,   2),
    ("I32",     26, 1,   4),  ("I64",     27, 1,   8),   ("F64",     28, 1,   8),  ("IQ1_M",   29, 256, 56),
    ("TQ1_0",   34, 256, 54), ("TQ2_0",   35, 256, 66),  ("MXFP4",   39, 32,  17), ("NVFP4",   40, 64,  36),
    ("Q1_0",    41, 128, 18),
];

#[rustfmt::skip]
const fn info(
    encoding: Encoding, name: &'static str, gguf_type: u32, block: u64, block_bytes: u64, decode: Decode,
    resident: Option<Format>,
) -> EncodingInfo {
    EncodingInfo { encoding, name, gguf_type, block, block_bytes, decode, resident }
}

impl Encoding {
    /// The encoding's row in the table.
    ///
    /// # Errors
    /// Where it is not supported: names it, and what is.
    pub fn info(self) -> Result<&'static EncodingInfo> {
        ENCODINGS.iter().find(|info| info.encoding == self).ok_or_else(|| {
            let supported: Vec<&str> = ENCODINGS.iter().map(|info| info.name).collect();
            let (name, supported) = (self.name(), supported.join(", "));
            Error::Unsupported(format!("is stored as {name}, which is not supported; supported: {supported}"))
        })
    }

    /// The name in GGUF's tools, or as safetensors has it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Unsupported(name) => name,
            supported => ENCODINGS.iter().find(|info| info.encoding == supported).map_or("", |info| info.name),
        }
    }

    /// A GGUF type by its number: the encoding, values in a block and bytes of a block.
    pub fn from_gguf(number: u32) -> Option<(Encoding, u64, u64)> {
        let supported = ENCODINGS.iter().find(|info| info.gguf_type == number);
        let other = || OTHER_GGUF_TYPES.iter().find(|(_, other, _, _)| *other == number);
        supported
            .map(|info| (info.encoding, info.block, info.block_bytes))
            .or_else(|| other().map(|&(name, _, block, block_bytes)| (Encoding::Unsupported(name), block, block_bytes)))
    }
}

/// Bytes of a tensor, or why there is no such tensor: a row is no run of whole blocks, or the sizes overflow.
pub fn tensor_bytes(shape: &[u64], block: u64, block_bytes: u64) -> Result<u64> {
    let row = shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(block) {
        return Err(Error::File(format!("has rows of {row} values, which are no whole blocks of {block}")));
    }
    let blocks = shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size)).map(|values| values / block);
    blocks
        .and_then(|blocks| blocks.checked_mul(block_bytes))
        .ok_or_else(|| Error::File(format!("has sizes {shape:?}, more than a file can hold")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_stands_twice() {
        let others = OTHER_GGUF_TYPES.iter().map(|&(name, number, _, _)| (name, number));
        let all: Vec<_> = ENCODINGS.iter().map(|info| (info.name, info.gguf_type)).chain(others).collect();
        for (i, (name, number)) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other.0 != *name && other.1 != *number), "{name}");
        }
    }

    #[test]
    fn an_unsupported_type_is_refused_by_name_with_what_is_supported() {
        let (encoding, block, block_bytes) = Encoding::from_gguf(11).unwrap();
        assert_eq!((block, block_bytes), (256, 110));
        let error = encoding.info().unwrap_err();
        assert_eq!(error.code(), "unsupported");
        assert_eq!(
            error.to_string(),
            "is stored as Q3_K, which is not supported; supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K"
        );
        assert_eq!(Encoding::from_gguf(99), None);
    }

    #[test]
    fn sizes_that_overflow_or_break_blocks_are_refused() {
        assert_eq!(tensor_bytes(&[3, 64], 32, 18).unwrap(), 108);
        assert!(tensor_bytes(&[3, 33], 32, 18).is_err());
        assert!(tensor_bytes(&[1 << 40, 1 << 40], 1, 4).is_err());
        assert!(tensor_bytes(&[1 << 31, 1 << 32], 1, 4).is_err());
    }
}
