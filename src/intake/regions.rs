//! Blocks of a tensor, in order -> writes of about a MiB each to the two regions of each part of its weight.

use crate::Result;
use crate::format::{BLOCK, Format};
use crate::weights::{Layout, Run, Shape, Sink, WeightId};

/// Bytes of values and scales that are gathered before they are written.
const BATCH: usize = 1 << 20;

/// A tensor that is being written: a whole weight, or a run of one.
#[derive(Debug)]
pub(super) struct Regions {
    weight: WeightId,
    layout: Layout,
    /// Rows of the tensor.
    pub outputs: u32,
    /// Values in a row.
    pub inputs: u32,
    /// How its values are stored.
    pub format: Format,
    /// The row of the weight that the next block belongs to, once a part has begun; and the row behind the tensor's last.
    row: u32,
    end: u32,
    part: usize,
    /// Blocks that the tensor still lacks in this part.
    missing: u64,
    values: Region,
    scales: Region,
}

/// Gathered bytes, where in the part they go, and where no more may go.
#[derive(Debug, Default)]
struct Region {
    at: u64,
    end: u64,
    bytes: Vec<u8>,
}

impl Regions {
    /// Of a tensor of `shape` that is the weight, or `run` of it.
    pub fn new(weight: WeightId, layout: &Layout, shape: Shape, run: Option<Run>) -> Regions {
        let (outputs, inputs) = shape.sizes();
        let first = run.map_or(0, |run| run.first);
        let (row, first_value) = if matches!(shape, Shape::Matrix { .. }) { (first, 0) } else { (0, first) };
        let format = layout.part_of(row).1.format;
        let (values, scales) = (Region::default(), Region::default());
        let (layout, end) = (layout.clone(), row + outputs);
        let mut regions =
            Regions { weight, layout, outputs, inputs, format, row, end, part: 0, missing: 0, values, scales };
        regions.begin_part();
        // A vector is f32 and in one part; the padding behind its last value belongs to the next one.
        regions.values.at += u64::from(first_value) * 4;
        if matches!(shape, Shape::Vector { .. }) && run.is_some() {
            regions.values.end = regions.values.at + u64::from(inputs) * 4;
        }
        regions
    }

    fn begin_part(&mut self) {
        if self.row == self.end {
            return;
        }
        let (place, part) = self.layout.part_of(self.row);
        let (row, row_blocks) = (u64::from(self.row - part.first_output), u64::from(self.layout.row_blocks()));
        let next = self.end.min(part.first_output + part.outputs);
        self.part = place;
        self.missing = u64::from(next - self.row) * u64::from(self.inputs.div_ceil(BLOCK));
        self.row = next;
        self.values = Region::new(row * row_blocks * part.format.value_bytes());
        self.scales = Region::new(part.scales_at + row * row_blocks * part.format.scale_bytes());
    }

    /// Takes the next `blocks` blocks, which lie in one row: `fill` appends their values and scales.
    pub fn append(
        &mut self,
        blocks: u64,
        sink: &mut dyn Sink,
        fill: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        fill(&mut self.values.bytes, &mut self.scales.bytes)?;
        self.missing -= blocks;
        if self.missing == 0 {
            // A part's buffer ends on a whole word, and a run of a part begins on one.
            self.scales.bytes.resize(self.scales.bytes.len().next_multiple_of(4), 0);
        } else if self.values.bytes.len() + self.scales.bytes.len() < BATCH {
            return Ok(());
        }
        self.values.write(self.weight, self.part, sink)?;
        self.scales.write(self.weight, self.part, sink)?;
        if self.missing == 0 {
            self.begin_part();
        }
        Ok(())
    }
}

impl Region {
    fn new(at: u64) -> Region {
        Region { at, end: u64::MAX, bytes: Vec::new() }
    }

    /// Writes the whole words; what is left of one waits.
    fn write(&mut self, weight: WeightId, part: usize, sink: &mut dyn Sink) -> Result<()> {
        let length = self.bytes.len() / 4 * 4;
        if length > 0 {
            let room = (self.end - self.at).min(length as u64) as usize;
            sink.write(weight, part, self.at, &self.bytes[..room])?;
            self.bytes.drain(..length);
            self.at += length as u64;
        }
        Ok(())
    }
}
