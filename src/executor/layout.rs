//! Where keys and values stand on a device -> the stretches of memory that hold the first positions.

use super::Executor;
use crate::{Error, Result};

/// How a device keeps keys and values. Each layer has keys and values, each of these its heads, one after another. Keys
/// stand by tiles of positions, cell by cell; values position by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLayout {
    /// Layers.
    pub layers: u32,
    /// Heads of keys, and of values.
    pub kv_heads: u32,
    /// Positions that there is room for: whole tiles.
    pub capacity: u32,
    /// Positions in a tile.
    pub tile: u32,
    /// Cells of a head at one position.
    pub cells: u32,
    /// Bytes of a cell.
    pub cell_bytes: u32,
    /// Scales of f32 behind these, where they are no cells.
    pub scales: u32,
}

impl CacheLayout {
    /// Bytes of a head's first positions, of its keys or of its values: whole tiles.
    pub fn head_bytes(&self, positions: u32) -> usize {
        positions.next_multiple_of(self.tile) as usize * self.position_bytes()
    }

    /// Bytes of a head at one position.
    fn position_bytes(&self) -> usize {
        (self.cells * self.cell_bytes + self.scales * 4) as usize
    }

    /// Bytes of all that holds the first positions.
    pub fn bytes(&self, positions: u32) -> u64 {
        self.head_bytes(positions) as u64 * 2 * u64::from(self.kv_heads) * u64::from(self.layers)
    }

    /// Fails where there is no room for so many positions: what would be read or written is not the cache's.
    fn check(&self, positions: u32) -> Result<()> {
        if positions > self.capacity {
            let capacity = self.capacity;
            return Err(Error::Context(format!("{positions} positions of a cache that has room for {capacity}")));
        }
        Ok(())
    }

    /// Every head's layer, its side (0 keys, 1 values), and its first byte there, in order.
    pub fn heads(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (heads, head_bytes) = (self.kv_heads as usize, self.head_bytes(self.capacity));
        (0..self.layers as usize * 2 * heads).map(move |index| {
            let (side, head) = (index / heads, index % heads);
            (side / 2, side % 2, head * head_bytes)
        })
    }

    /// Zeros for what stands in the last tile behind the first positions: it may be of another conversation.
    pub fn blank(&self, positions: u32, bytes: &mut [u8]) {
        let (used, tile) = ((positions % self.tile) as usize, self.tile as usize);
        if used == 0 {
            return;
        }
        let cell_bytes = self.cell_bytes as usize;
        for (index, head) in bytes.chunks_mut(self.head_bytes(positions)).enumerate() {
            let last = head.len() - tile * self.position_bytes();
            let last = &mut head[last..];
            if (index / self.kv_heads as usize).is_multiple_of(2) {
                let (cells, scales) = last.split_at_mut(tile * self.cells as usize * cell_bytes);
                cells.chunks_mut(tile * cell_bytes).for_each(|row| row[used * cell_bytes..].fill(0));
                scales.chunks_mut(tile * 4).for_each(|row| row[used * 4..].fill(0));
            } else {
                last[used * self.position_bytes()..].fill(0);
            }
        }
    }
}

impl Executor {
    /// How keys and values stand; none before there is a cache.
    pub fn cache_layout(&self) -> Option<CacheLayout> {
        match self {
            Executor::Gpu(gpu) => gpu.cache_layout(),
            Executor::Cpu(cpu) => cpu.cache_layout(),
        }
    }

    /// The keys and values of the first positions, head by head, as they stand on the device; zeros behind them.
    ///
    /// # Errors
    /// `Memory` where there is none for them; `Context` where the cache has no room for so many; where the device is lost.
    pub async fn read_cache(&mut self, positions: u32) -> Result<Vec<u8>> {
        let Some(layout) = self.cache_layout().filter(|_| positions > 0) else { return Ok(Vec::new()) };
        layout.check(positions)?;
        let (head_bytes, length) = (layout.head_bytes(positions), layout.bytes(positions));
        let mut bytes = Vec::new();
        let reserved = usize::try_from(length).is_ok_and(|length| bytes.try_reserve_exact(length).is_ok());
        if !reserved {
            return Err(Error::Memory(format!("no room for a copy of {length} bytes of keys and values")));
        }
        bytes.resize(length as usize, 0);
        match self {
            Executor::Gpu(gpu) => gpu.read_cache(layout, head_bytes, &mut bytes).await?,
            Executor::Cpu(cpu) => {
                for ((layer, side, first), head) in layout.heads().zip(bytes.chunks_mut(head_bytes)) {
                    cpu.read_head(layer, side, first, head);
                }
            }
        }
        layout.blank(positions, &mut bytes);
        Ok(bytes)
    }

    /// Puts back what [`read_cache`](Executor::read_cache) gave, here or on another executor with the same layout, whatever
    /// its capacity.
    ///
    /// # Errors
    /// `Context` where the cache has no room for so many positions; where it is not what so many take.
    pub fn write_cache(&mut self, positions: u32, bytes: &[u8]) -> Result<()> {
        let layout = self.cache_layout().ok_or_else(|| Error::Device("there is no cache".into()))?;
        layout.check(positions)?;
        if layout.bytes(positions) != bytes.len() as u64 {
            return Err(Error::Device("keys and values of another size".into()));
        }
        if positions == 0 {
            return Ok(());
        }
        let head_bytes = layout.head_bytes(positions);
        match self {
            Executor::Gpu(gpu) => gpu.write_cache(layout, head_bytes, bytes),
            Executor::Cpu(cpu) => {
                for ((layer, side, first), head) in layout.heads().zip(bytes.chunks(head_bytes)) {
                    cpu.write_head(layer, side, first, head);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::CacheFormat;
    use crate::plan::CacheShape;
    use pollster::block_on;

    #[test]
    fn nothing_behind_the_cache_is_read_or_written() {
        let native = crate::cpu::Native::new(Some(1), None).unwrap();
        let processor = Executor::cpu(Box::new(native), crate::cpu::Activations::Auto);
        for mut executor in [processor, Executor::reference()] {
            assert_eq!(executor.write_cache(1, &[]).unwrap_err().code(), "device", "there is none yet");
            let shape = CacheShape { layers: 1, kv_heads: 2, head_width: 32, context: 8 };
            executor.allocate_cache(shape, CacheFormat::F32).unwrap();
            let all = block_on(executor.read_cache(8)).unwrap();
            assert!(executor.write_cache(8, &all).is_ok());
            assert_eq!(executor.write_cache(7, &all[1..]).unwrap_err().code(), "device");
            for positions in [9, 16, u32::MAX] {
                assert_eq!(block_on(executor.read_cache(positions)).unwrap_err().code(), "context-full");
                assert_eq!(executor.write_cache(positions, &all.repeat(2)).unwrap_err().code(), "context-full");
            }
        }
    }

    #[test]
    fn what_is_behind_the_positions_is_blanked_and_nothing_else() {
        let layout = CacheLayout { layers: 1, kv_heads: 2, capacity: 8, tile: 4, cells: 3, cell_bytes: 2, scales: 0 };
        let mut bytes = vec![1; layout.bytes(6) as usize];
        assert_eq!(bytes.len(), 2 * 2 * 8 * 6);
        layout.blank(6, &mut bytes);
        // Two of four positions of the second tile, of each head, of either side.
        assert_eq!(bytes.iter().filter(|byte| **byte == 0).count(), 2 * 2 * 2 * 6);
        let second_tile = &bytes[24..48];
        assert_eq!(second_tile, [1, 1, 1, 1, 0, 0, 0, 0].repeat(3));
        let values = &bytes[2 * 48 + 24..2 * 48 + 48];
        assert_eq!(values, [[1; 12], [0; 12]].concat());
        assert_eq!(layout.heads().collect::<Vec<_>>(), [(0, 0, 0), (0, 0, 48), (0, 1, 0), (0, 1, 48)]);
    }

    #[test]
    fn scales_are_blanked_too() {
        let layout = CacheLayout { layers: 1, kv_heads: 1, capacity: 4, tile: 4, cells: 2, cell_bytes: 1, scales: 1 };
        let mut bytes = vec![1; layout.bytes(3) as usize];
        layout.blank(3, &mut bytes);
        let keys = [[1, 1, 1, 0].repeat(2), [[1; 12].as_slice(), &[0; 4]].concat()].concat();
        assert_eq!(bytes, [keys, [[1; 18].as_slice(), &[0; 6]].concat()].concat());
    }
}
