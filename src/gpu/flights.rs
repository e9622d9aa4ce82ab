//! Submits on their way, and the records of chosen tokens that each brings: the host reads them late, oldest first, while
//! the device works on the next ones.

use super::device::{Buffer, Device, Tally, lost};
use crate::executor::nothing_was_run;
use crate::{Error, Result};
use futures_channel::oneshot::{self, Receiver};
use std::collections::VecDeque;

/// Submits that may be on their way at once: one that the device works on, one that waits, one that is being read.
pub const DEPTH: usize = 3;

/// Tokens that one submit may choose, each fed to the next.
pub const MOST_TOKENS: u32 = 16;

/// Buffers that the host can map, used in turn.
pub struct Flights {
    buffers: Vec<Buffer>,
    /// Words from one record to the next.
    stride: usize,
    next: usize,
    under_way: VecDeque<Flight>,
}

/// One submit on its way.
struct Flight {
    place: usize,
    records: u32,
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
    /// Where results are held back, to measure what a slow way to the host costs.
    held: Option<Receiver<()>>,
}

impl Flights {
    /// Room for records of `stride` words.
    pub fn new(device: &Device, stride: u32) -> Flights {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let bytes = u64::from(MOST_TOKENS) * u64::from(stride) * 4;
        let buffers = (0..DEPTH).map(|_| device.buffer("chosen", bytes, usage)).collect();
        Flights { buffers, stride: stride as usize, next: 0, under_way: VecDeque::new() }
    }

    /// How many submits are on their way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn bytes(&self, records: u32) -> u64 {
        u64::from(records) * self.stride as u64 * 4
    }

    /// Submits what was recorded, with the copy of the first `records` records at its end.
    ///
    /// # Errors
    /// Where as many are on their way as may be.
    pub fn launch(
        &mut self,
        device: &Device,
        mut encoder: wgpu::CommandEncoder,
        choices: &Buffer,
        records: u32,
    ) -> Result<()> {
        if self.under_way() == DEPTH {
            return Err(Error::Device(format!("{DEPTH} submits are on their way already")));
        }
        let (place, bytes) = (self.next, self.bytes(records));
        self.next = (self.next + 1) % DEPTH;
        encoder.copy_buffer_to_buffer(choices, 0, &self.buffers[place], 0, bytes);
        let submission = device.submit(encoder);
        let (done, mapped) = oneshot::channel();
        // Asked for at once, so that the answer is on its way as soon as the device is done.
        self.buffers[place].map_async(wgpu::MapMode::Read, ..bytes, move |result| drop(done.send(result)));
        let held = device.hold_back(&submission);
        self.under_way.push_back(Flight { place, records, submission, mapped, held });
        Ok(())
    }

    /// The records of the oldest submit on its way.
    ///
    /// # Errors
    /// Where there is none; where the device was lost.
    pub async fn collect(&mut self, device: &Device) -> Result<Vec<Vec<u32>>> {
        // It stays in the queue until it is read, so that giving up this wait loses nothing.
        let flight = self.under_way.front_mut().ok_or_else(nothing_was_run)?;
        device.poll_until(&flight.submission)?;
        if let Some(held) = &mut flight.held {
            held.await.map_err(|_| lost("it left a result undone"))?;
            flight.held = None;
        }
        let mapped = (&mut flight.mapped).await;
        let flight = self.under_way.pop_front().ok_or_else(nothing_was_run)?;
        Tally::add(&device.tally.readbacks, 1);
        mapped.map_err(|_| lost("it left a result undone"))?.map_err(|error| device.gone(&error.to_string()))?;
        let buffer = &self.buffers[flight.place];
        let view = buffer.get_mapped_range(..self.bytes(flight.records));
        let view = view.map_err(|error| device.gone(&error.to_string()))?;
        let words: &[u32] = bytemuck::cast_slice(&view);
        let records = words.chunks(self.stride).map(<[u32]>::to_vec).collect();
        drop(view);
        buffer.unmap();
        Ok(records)
    }
}
