//! Rows of a tensor on the device -> words on the host, through a buffer made once.

use super::device::{Buffer, Device, Tally, lost};
use crate::Result;
use crate::executor::nothing_was_run;
use std::ops::Range;

/// A buffer that the host can map, for rows of `width` words that stand `stride` words apart on the device.
pub struct Staging {
    buffer: Buffer,
    width: usize,
    stride: usize,
}

impl Staging {
    pub fn new(device: &Device, label: &str, rows: u32, width: u32, stride: u32) -> Staging {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let buffer = device.buffer(label, u64::from(rows) * u64::from(stride) * 4, usage);
        Staging { buffer, width: width as usize, stride: stride as usize }
    }

    /// Records the copy of so many rows of a tensor as there is room for.
    pub fn copy(&self, encoder: &mut wgpu::CommandEncoder, tensor: &Buffer, rows: Range<u32>) {
        let (first, bytes) = (self.bytes(rows.start), self.bytes(rows.end - rows.start));
        encoder.copy_buffer_to_buffer(tensor, first, &self.buffer, 0, bytes);
    }

    /// Records the copy of one row from anywhere in a buffer.
    pub fn gather(&self, encoder: &mut wgpu::CommandEncoder, buffer: &Buffer, first: u64, row: usize) {
        let at = self.bytes(row as u32);
        encoder.copy_buffer_to_buffer(buffer, first, &self.buffer, at, self.bytes(1));
    }

    fn bytes(&self, rows: u32) -> u64 {
        u64::from(rows) * self.stride as u64 * 4
    }

    /// The words of `rows` rows, without padding, once the device has copied them.
    pub async fn read(&self, device: &Device, rows: u32) -> Result<Vec<u32>> {
        if rows == 0 {
            return Err(nothing_was_run());
        }
        Tally::add(&device.tally.readbacks, 1);
        let (done, wait) = futures_channel::oneshot::channel();
        let slice = self.buffer.slice(..self.bytes(rows));
        slice.map_async(wgpu::MapMode::Read, move |result| drop(done.send(result)));
        device.poll()?;
        let mapped = wait.await.map_err(|_| lost("it left a result undone"))?;
        mapped.map_err(|error| device.gone(&error.to_string()))?;
        let view = slice.get_mapped_range().map_err(|error| device.gone(&error.to_string()))?;
        let words: &[u32] = bytemuck::cast_slice(&view);
        let rows = words.chunks(self.stride).flat_map(|row| row[..self.width].iter().copied()).collect();
        drop(view);
        self.buffer.unmap();
        Ok(rows)
    }
}
