//! A tensor's bytes as a file has them, in chunks of any size -> blocks of the device's format.

use super::regions::Regions;
use crate::format::{BLOCK, EncodingInfo, Repack, encode_row, repack};
use crate::weights::Sink;
use crate::{Error, Result};

/// Values that are converted at once: whole blocks of every encoding and format, and few enough for a processor's cache.
const PIECE: usize = 4096;

/// Rows that are gathered at once from a transposed tensor: reads are runs of so many values.
const STRIP: usize = 64;

/// Converts one tensor.
#[derive(Debug)]
pub(super) enum Converter {
    InOrder(InOrder),
    Transposed(Transposed),
}

impl Converter {
    pub fn new(info: &'static EncodingInfo, transposed: bool, regions: Regions) -> Converter {
        match transposed {
            true => Converter::Transposed(Transposed { info, bytes: Vec::new(), regions }),
            false => Converter::InOrder(InOrder::new(info, regions)),
        }
    }

    /// Takes the tensor's next bytes. The last of them complete it.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        match self {
            Converter::InOrder(converter) => converter.push(bytes, sink),
            Converter::Transposed(converter) => converter.push(bytes, sink),
        }
    }
}

/// A tensor whose rows are the weight's.
#[derive(Debug)]
pub(super) struct InOrder {
    info: &'static EncodingInfo,
    /// The way that needs no values, if there is one.
    repack: Option<Repack>,
    regions: Regions,
    /// Values of the row that are converted.
    at: usize,
    /// Bytes that are no whole piece yet.
    partial: Vec<u8>,
    values: Vec<f32>,
}

impl InOrder {
    fn new(info: &'static EncodingInfo, regions: Regions) -> InOrder {
        let repack = repack(info.encoding, regions.format);
        InOrder { info, repack, regions, at: 0, partial: Vec::new(), values: vec![0.0; PIECE] }
    }

    fn push(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        while !bytes.is_empty() {
            let values = PIECE.min(self.regions.inputs as usize - self.at);
            let length = values / self.info.block as usize * self.info.block_bytes as usize;
            let (now, later) = bytes.split_at((length - self.partial.len()).min(bytes.len()));
            bytes = later;
            if now.len() == length {
                self.convert(now, values, sink)?;
                continue;
            }
            self.partial.extend_from_slice(now);
            if self.partial.len() == length {
                let partial = std::mem::take(&mut self.partial);
                self.convert(&partial, values, sink)?;
                self.partial = partial;
                self.partial.clear();
            }
        }
        Ok(())
    }

    fn convert(&mut self, bytes: &[u8], count: usize, sink: &mut dyn Sink) -> Result<()> {
        self.at = (self.at + count) % self.regions.inputs as usize;
        let blocks = count.div_ceil(BLOCK as usize) as u64;
        let format = self.regions.format;
        self.regions.append(blocks, sink, |values, scales| match self.repack {
            Some(repack) => repack(bytes, values, scales),
            None => {
                let row = &mut self.values[..count];
                (self.info.decode)(bytes, row);
                encode_row(format, row, values, scales)
            }
        })
    }
}

/// A tensor of floats whose columns are the weight's rows.
#[derive(Debug)]
pub(super) struct Transposed {
    info: &'static EncodingInfo,
    bytes: Vec<u8>,
    regions: Regions,
}

impl Transposed {
    fn push(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        let (outputs, inputs) = (self.regions.outputs as usize, self.regions.inputs as usize);
        // The device has made room for as much already, so this is no number that only a file claims.
        let whole = (self.info.block_bytes as usize).checked_mul(outputs).and_then(|bytes| bytes.checked_mul(inputs));
        let whole = whole.ok_or_else(|| Error::Memory("is too large to be transposed".into()))?;
        if self.bytes.is_empty() {
            let reserved = self.bytes.try_reserve_exact(whole);
            reserved.map_err(|_| Error::Memory(format!("needs {whole} bytes to be transposed")))?;
        }
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() == whole {
            for first in (0..outputs).step_by(STRIP) {
                self.convert(first, STRIP.min(outputs - first), sink)?;
            }
        }
        Ok(())
    }

    /// Gathers rows `first .. first + count` and appends them.
    fn convert(&mut self, first: usize, count: usize, sink: &mut dyn Sink) -> Result<()> {
        let (outputs, inputs) = (self.regions.outputs as usize, self.regions.inputs as usize);
        let size = self.info.block_bytes as usize;
        // One cache line more than a row, or the rows of a width of 2^n would drive each other out of the cache.
        let stride = inputs + 16;
        let mut strip = vec![0.0; count * stride];
        let mut line = [0.0; STRIP];
        for input in 0..inputs {
            let at = (input * outputs + first) * size;
            (self.info.decode)(&self.bytes[at..at + count * size], &mut line[..count]);
            for (row, value) in line[..count].iter().enumerate() {
                strip[row * stride + input] = *value;
            }
        }
        let (format, blocks) = (self.regions.format, inputs.div_ceil(BLOCK as usize) as u64);
        for row in strip.chunks_exact(stride) {
            self.regions.append(blocks, sink, |values, scales| encode_row(format, &row[..inputs], values, scales))?;
        }
        Ok(())
    }
}
