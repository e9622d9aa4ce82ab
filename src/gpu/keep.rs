//! The first positions of the cache -> bytes on the host, and back.

use super::Gpu;
use super::readback::Staging;
use crate::executor::CacheLayout;
use crate::kernels::{CACHE_TILE, CacheFormat};
use crate::{Error, Result};

/// Bytes that are mapped at once.
const AT_ONCE: usize = 64 << 20;

impl Gpu {
    /// How keys and values stand: `shaders/lib/cells.wgsl`.
    pub fn cache_layout(&self) -> Option<CacheLayout> {
        let cache = self.cache.as_ref()?;
        let (shape, format) = (cache.shape, cache.format);
        let cell_bytes = match format {
            CacheFormat::F32 => 16,
            CacheFormat::F16 => 8,
            CacheFormat::Q8 => 4,
        };
        let capacity = shape.context.next_multiple_of(CACHE_TILE);
        let head_bytes = format.bytes(shape) / u64::from(shape.kv_heads);
        let cells = (head_bytes / u64::from(capacity)) as u32 / cell_bytes;
        let (layers, kv_heads) = (shape.layers, shape.kv_heads);
        Some(CacheLayout { layers, kv_heads, capacity, tile: CACHE_TILE, cells, cell_bytes, scales: 0 })
    }

    /// Fills `bytes` with the first `head_bytes` of every head.
    pub async fn read_cache(&self, layout: CacheLayout, head_bytes: usize, bytes: &mut [u8]) -> Result<()> {
        let Some(cache) = &self.cache else { return Ok(()) };
        let at_once = (AT_ONCE / head_bytes).max(1);
        let heads: Vec<_> = layout.heads().collect();
        for (heads, bytes) in heads.chunks(at_once).zip(bytes.chunks_mut(at_once * head_bytes)) {
            let words = (head_bytes / 4) as u32;
            let staging = Staging::new(&self.device, "cache.kept", heads.len() as u32, words, words);
            self.device.hear_of_buffers().await?;
            let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
            for (row, &(layer, side, first)) in heads.iter().enumerate() {
                let first = cache.half * side as u64 + first as u64;
                staging.gather(&mut encoder, &cache.layers[layer], first, row);
            }
            self.device.submit(encoder);
            let words = staging.read(&self.device, heads.len() as u32).await?;
            bytes.copy_from_slice(bytemuck::cast_slice(&words));
        }
        self.device.check()
    }

    /// The other way round.
    pub fn write_cache(&self, layout: CacheLayout, head_bytes: usize, bytes: &[u8]) -> Result<()> {
        let cache = self.cache.as_ref().ok_or_else(|| Error::Device("there is no cache".into()))?;
        for ((layer, side, first), head) in layout.heads().zip(bytes.chunks(head_bytes)) {
            self.device.write(&cache.layers[layer], cache.half * side as u64 + first as u64, head);
        }
        Ok(())
    }
}
