//! How the cache of keys and values stands on a device: where, by `shaders/lib/cells.wgsl`, and in what form.

use crate::format::BLOCK;
use crate::plan::CacheShape;
use crate::{Error, Result};

/// Positions in a tile of the cache.
pub const CACHE_TILE: u32 = 64;

/// How the cache of keys and values is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheFormat {
    /// Four values in 16 bytes.
    F32,
    /// Four values in 8 bytes.
    F16,
    /// Four values in 4 bytes, and an f32 scale for every 32 values of a head.
    Q8,
}

impl CacheFormat {
    /// Every format, for tests.
    pub const ALL: [CacheFormat; 3] = [CacheFormat::F32, CacheFormat::F16, CacheFormat::Q8];

    /// As options and reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            CacheFormat::F32 => "f32",
            CacheFormat::F16 => "f16",
            CacheFormat::Q8 => "q8",
        }
    }

    /// Refuses heads that are not whole blocks, where blocks share a scale.
    ///
    /// # Errors
    /// `Unsupported`, with the width.
    pub fn check(self, shape: CacheShape) -> Result<()> {
        let width = shape.head_width;
        if self.is_scaled() && !width.is_multiple_of(BLOCK) {
            let message = format!("a cache of q8 takes heads of a multiple of {BLOCK} values, not of {width}: use f16");
            return Err(Error::Unsupported(message));
        }
        Ok(())
    }

    /// Whether blocks of a head have a scale, so that what is written has to wait for its whole block.
    pub(super) const fn is_scaled(self) -> bool {
        matches!(self, CacheFormat::Q8)
    }

    /// What becomes of a block of a head, or of less where blocks have no scale.
    pub(super) fn round(self, block: &mut [f32]) {
        match self {
            CacheFormat::F32 => {}
            CacheFormat::F16 => {
                block.iter_mut().for_each(|x| *x = half::f16::from_f32(x.clamp(-65504.0, 65504.0)).to_f32());
            }
            CacheFormat::Q8 => {
                let peak = block.iter().fold(0.0, |peak: f32, x| peak.max(x.abs()));
                let scale = if peak > 1e-30 { peak * (1.0 / 127.0) } else { 0.0 };
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                block.iter_mut().for_each(|x| *x = (*x * inverse).round_ties_even().clamp(-127.0, 127.0) * scale);
            }
        }
    }

    /// Bytes of a layer's keys, or of its values: heads are padded to whole words, positions to whole tiles.
    pub fn bytes(self, shape: CacheShape) -> u64 {
        let positions = u64::from(shape.context).next_multiple_of(u64::from(CACHE_TILE));
        let words = u64::from(words(shape));
        let head_bytes = match self {
            CacheFormat::F32 => words * 16,
            CacheFormat::F16 => words * 8,
            CacheFormat::Q8 => words * 4 + u64::from(shape.head_width / BLOCK) * 4,
        };
        u64::from(shape.kv_heads) * positions * head_bytes
    }

    pub(super) const fn wgsl(self) -> &'static str {
        match self {
            CacheFormat::F32 => crate::kernels::macros::wgsl!("formats/cache_f32"),
            CacheFormat::F16 => crate::kernels::macros::wgsl!("formats/cache_f16"),
            CacheFormat::Q8 => crate::kernels::macros::wgsl!("formats/cache_q8"),
        }
    }
}

/// Words of four values in a head.
pub fn words(shape: CacheShape) -> u32 {
    shape.head_width.div_ceil(4)
}

/// Positions that there is room for: whole tiles. A cache that fits a binding has fewer than 2^32 of them.
pub fn capacity(shape: CacheShape) -> u32 {
    shape.context.div_ceil(CACHE_TILE) * CACHE_TILE
}
