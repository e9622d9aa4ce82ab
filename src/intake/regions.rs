//! Blocks of a weight, in order -> writes of about a MiB each to the two regions of each of its parts.

use crate::Result;
use crate::weights::{Layout, Sink, WeightId};

/// Bytes of values and scales that are gathered before they are written.
const BATCH: usize = 1 << 20;

/// A weight that is being written.
#[derive(Debug)]
pub(super) struct Regions {
    weight: WeightId,
    pub layout: Layout,
    part: usize,
    /// Blocks that the part still lacks.
    missing: u64,
    values: Region,
    scales: Region,
}

/// Gathered bytes, and where in the part they go.
#[derive(Debug, Default)]
struct Region {
    at: u64,
    bytes: Vec<u8>,
}

impl Regions {
    pub fn new(weight: WeightId, layout: Layout) -> Regions {
        let mut regions =
            Regions { weight, layout, part: 0, missing: 0, values: Region::default(), scales: Region::default() };
        regions.begin_part();
        regions
    }

    fn begin_part(&mut self) {
        let Some(part) = self.layout.parts.get(self.part) else { return };
        self.missing = u64::from(part.outputs) * u64::from(self.layout.row_blocks());
        self.values.at = 0;
        self.scales.at = part.scales_at;
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
            // A part's buffer ends on a whole word.
            self.scales.bytes.resize(self.scales.bytes.len().next_multiple_of(4), 0);
        } else if self.values.bytes.len() + self.scales.bytes.len() < BATCH {
            return Ok(());
        }
        self.values.write(self.weight, self.part, sink)?;
        self.scales.write(self.weight, self.part, sink)?;
        if self.missing == 0 {
            self.part += 1;
            self.begin_part();
        }
        Ok(())
    }
}

impl Region {
    /// Writes the whole words; what is left of one waits.
    fn write(&mut self, weight: WeightId, part: usize, sink: &mut dyn Sink) -> Result<()> {
        let length = self.bytes.len() / 4 * 4;
        if length > 0 {
            sink.write(weight, part, self.at, &self.bytes[..length])?;
            self.bytes.drain(..length);
            self.at += length as u64;
        }
        Ok(())
    }
}
