//! How the cache of keys and values stands on a device: where, by `shaders/lib/cells.wgsl`, and in what form.

use crate::plan::CacheShape;

/// Positions in a tile of the cache.
pub const CACHE_TILE: u32 = 64;

/// How the cache of keys and values is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheFormat {
    /// Four values in 16 bytes.
    F32,
    /// Four values in 8 bytes.
    F16,
}

impl CacheFormat {
    /// Every format, for tests.
    pub const ALL: [CacheFormat; 2] = [CacheFormat::F32, CacheFormat::F16];

    /// Bytes of four values.
    pub const fn word_bytes(self) -> u64 {
        match self {
            CacheFormat::F32 => 16,
            CacheFormat::F16 => 8,
        }
    }

    /// Bytes of a layer's keys, or of its values: heads are padded to whole words, positions to whole tiles.
    pub fn bytes(self, shape: CacheShape) -> u64 {
        let positions = u64::from(shape.context).next_multiple_of(u64::from(CACHE_TILE));
        u64::from(shape.kv_heads) * positions * u64::from(words(shape)) * self.word_bytes()
    }

    pub(super) const fn wgsl(self) -> &'static str {
        match self {
            CacheFormat::F32 => include_str!("../../shaders/formats/cache_f32.wgsl"),
            CacheFormat::F16 => include_str!("../../shaders/formats/cache_f16.wgsl"),
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
