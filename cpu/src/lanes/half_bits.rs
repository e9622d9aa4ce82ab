//! f16 <-> f32, one value at a time.

/// The value of an f16.
pub fn to_f32(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

/// The nearest f16.
pub fn from_f32(value: f32) -> u16 {
    half::f16::from_f32(value).to_bits()
}
