//! f16 <-> f32, one value at a time.

/// The value of an f16.
pub fn to_f32(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

/// The greatest finite f16.
pub const GREATEST: f32 = 65504.0;

/// The nearest finite f16.
pub fn from_f32(value: f32) -> u16 {
    half::f16::from_f32(value.clamp(-GREATEST, GREATEST)).to_bits()
}
