//! What a model family asks of a checkpoint, and how each weight stands on the device.

use crate::format::{BLOCK, Format};
use crate::{Error, Result};

/// One tensor that a model family needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The name in plans and messages: GGUF's (`blk.0.attn_q.weight`).
    pub name: String,
    /// The name in this checkpoint.
    pub source_name: String,
    /// What it is, with the sizes that the settings call for.
    pub shape: Shape,
    /// Which rows of the weight it is, where several tensors make up one: they are computed together.
    pub run: Option<Run>,
    /// True where the file stores a matrix as `[inputs, outputs]` (GPT-2's Conv1D in safetensors).
    pub transposed: bool,
    /// Whether the model cannot run without it.
    pub required: bool,
}

impl Spec {
    /// The shape of the whole weight.
    pub fn whole(&self) -> Shape {
        match (self.shape, self.run) {
            (shape, None) => shape,
            (Shape::Matrix { inputs, .. }, Some(run)) => Shape::Matrix { outputs: run.of, inputs },
            (Shape::Vector { .. }, Some(run)) => Shape::Vector { width: run.of },
        }
    }
}

/// Rows of a matrix, or values of a vector, that one of several tensors gives to the weight that they make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first of them.
    pub first: u32,
    /// How many the whole weight has.
    pub of: u32,
}

/// The shape of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[outputs, inputs]`: multiplies activations, or is looked up by row. Stored in any [`Format`].
    Matrix {
        /// Rows.
        outputs: u32,
        /// Values in a row.
        inputs: u32,
    },
    /// `[width]`: gains, biases, tables of constants. Always f32.
    Vector {
        /// Values.
        width: u32,
    },
}

impl Shape {
    /// Rows, and values in a row; a vector is one row.
    pub fn sizes(self) -> (u32, u32) {
        match self {
            Shape::Matrix { outputs, inputs } => (outputs, inputs),
            Shape::Vector { width } => (1, width),
        }
    }
}

/// What float matrices become at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// f16 for float checkpoints; quantised tensors keep their own bits.
    #[default]
    Auto,
    /// 4 bytes a value.
    F32,
    /// 2 bytes a value.
    F16,
    /// 8 bits and a scale for every 32 values.
    Q8,
    /// 4 bits, a scale and a minimum for every 32 values.
    Q4,
}

impl Precision {
    /// The names as options take them.
    pub const NAMES: [&str; 5] = ["auto", "f32", "f16", "q8", "q4"];

    /// From an option's text.
    pub fn parse(text: &str) -> Result<Precision> {
        match text {
            "auto" => Ok(Precision::Auto),
            "f32" => Ok(Precision::F32),
            "f16" => Ok(Precision::F16),
            "q8" => Ok(Precision::Q8),
            "q4" => Ok(Precision::Q4),
            other => Err(Error::Option(format!("precision is {other:?}; supported: {}", Self::NAMES.join(", ")))),
        }
    }
}

/// How one weight stands on the device: its size and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Rows of the matrix; 1 for a vector.
    pub outputs: u32,
    /// Values in a row, before padding to whole blocks.
    pub inputs: u32,
    /// Runs of rows in one format, each a buffer of its own, none larger than the device's binding limit.
    pub parts: Vec<Part>,
}

/// A run of rows of a matrix in one buffer: values from byte 0, scales from `scales_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// How values are stored.
    pub format: Format,
    /// Its first row.
    pub first_output: u32,
    /// How many rows.
    pub outputs: u32,
    /// First byte of the scales, a multiple of [`SCALES_ALIGNMENT`]; equals `bytes` where there are none.
    pub scales_at: u64,
    /// Length of the buffer, a multiple of 4.
    pub bytes: u64,
}

/// Scales start at a multiple of this, WebGPU's default offset alignment for storage bindings.
pub const SCALES_ALIGNMENT: u64 = 256;

/// Parts begin at a multiple of this many rows, so that a kernel's group of rows never spans two parts and a part's
/// scales are whole words.
pub const PART_ROWS: u32 = 64;

/// More parts than this are refused: the sizes are a file's to say, and no device holds as many.
const MOST_PARTS: u32 = 4096;

impl Layout {
    /// Splits `[outputs, inputs]` in `format` by rows so that no part passes `binding_limit` bytes.
    ///
    /// # Errors
    /// Where even [`PART_ROWS`] rows pass the limit, there would be absurdly many parts, or a size is 0.
    pub fn new(format: Format, shape: Shape, binding_limit: u64) -> Result<Layout> {
        let (outputs, inputs) = shape.sizes();
        Layout::joined(&[(format, outputs)], inputs, binding_limit)
    }

    /// The same for rows that come in runs of a format: neighbours of equal format share parts.
    ///
    /// # Errors
    /// As [`new`](Layout::new).
    pub fn joined(runs: &[(Format, u32)], inputs: u32, binding_limit: u64) -> Result<Layout> {
        let outputs = runs.iter().try_fold(0u32, |sum, (_, outputs)| sum.checked_add(*outputs));
        let outputs = outputs.ok_or_else(|| Error::Memory("a weight of more rows than can be counted".into()))?;
        if outputs == 0 || inputs == 0 {
            return Err(Error::Model(format!("a weight of shape [{outputs}, {inputs}] holds nothing")));
        }
        let mut layout = Layout { outputs, inputs, parts: Vec::new() };
        let mut first_output = 0;
        for (format, outputs) in layout.merged(runs) {
            let step = layout.rows_in_a_part(format, outputs, binding_limit)?;
            let end = first_output + outputs;
            while first_output < end {
                let part = layout.part(format, first_output, step.min(end - first_output));
                first_output += part.outputs;
                layout.parts.push(part);
            }
        }
        Ok(layout)
    }

    /// Runs of equal format as one, where the scales of the later begin on a whole word.
    fn merged(&self, runs: &[(Format, u32)]) -> Vec<(Format, u32)> {
        let mut merged: Vec<(Format, u32)> = Vec::new();
        for &(format, outputs) in runs {
            match merged.last_mut() {
                Some((last, before))
                    if *last == format
                        && (u64::from(*before) * u64::from(self.row_blocks()) * format.scale_bytes())
                            .is_multiple_of(4) =>
                {
                    *before += outputs;
                }
                _ => merged.push((format, outputs)),
            }
        }
        merged
    }

    /// How many of `outputs` rows one part takes.
    fn rows_in_a_part(&self, format: Format, outputs: u32, binding_limit: u64) -> Result<u32> {
        let row_bytes = u64::from(self.row_blocks()) * (format.value_bytes() + format.scale_bytes());
        let fitting = binding_limit.saturating_sub(SCALES_ALIGNMENT) / row_bytes;
        let inputs = self.inputs;
        if fitting < u64::from(outputs.min(PART_ROWS)) {
            return Err(Error::Memory(format!(
                "rows of {inputs} values in {} need {row_bytes} bytes each; the device binds at most {binding_limit}",
                format.name()
            )));
        }
        let most = u32::try_from(fitting).unwrap_or(u32::MAX);
        let step = if most >= outputs { outputs } else { most / PART_ROWS * PART_ROWS };
        if outputs.div_ceil(step) > MOST_PARTS {
            return Err(Error::Memory(format!(
                "[{outputs}, {inputs}] values in {} take more than {MOST_PARTS} times the {binding_limit} bytes that the \
                 device binds at most",
                format.name()
            )));
        }
        Ok(step)
    }

    fn part(&self, format: Format, first_output: u32, outputs: u32) -> Part {
        let blocks = u64::from(outputs) * u64::from(self.row_blocks());
        let values = blocks * format.value_bytes();
        if format.scale_bytes() == 0 {
            return Part { format, first_output, outputs, scales_at: values, bytes: values };
        }
        let scales_at = values.next_multiple_of(SCALES_ALIGNMENT);
        let bytes = (scales_at + blocks * format.scale_bytes()).next_multiple_of(4);
        Part { format, first_output, outputs, scales_at, bytes }
    }

    /// The part that holds a row: its place and itself.
    pub fn part_of(&self, output: u32) -> (usize, Part) {
        let index = self.parts.partition_point(|part| part.first_output <= output) - 1;
        (index, self.parts[index])
    }

    /// Blocks in a row.
    pub fn row_blocks(&self) -> u32 {
        self.inputs.div_ceil(BLOCK)
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// A weight's place in the list of a model's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightId(pub usize);

/// Takes weights as they stream in: an executor.
pub trait Sink {
    /// Makes room for a weight, filled with zeros.
    fn allocate(&mut self, name: &str, layout: &Layout) -> Result<WeightId>;

    /// Fills bytes of a part. `offset` and the length are multiples of 4.
    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()>;
}

/// The weights that a model has, by name: what a plan is built over.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: Vec<(String, Layout)>,
    by_name: std::collections::HashMap<String, WeightId>,
}

impl Catalogue {
    /// Adds a weight; its id is its place.
    pub fn add(&mut self, name: &str, layout: Layout) -> WeightId {
        let id = WeightId(self.entries.len());
        self.entries.push((name.to_string(), layout));
        self.by_name.insert(name.to_string(), id);
        id
    }

    /// The weight of that name, or an error that names it.
    pub fn get(&self, name: &str) -> Result<WeightId> {
        self.find(name).ok_or_else(|| Error::Model(format!("tensor {name} is missing")))
    }

    /// The weight of that name, if the model has it.
    pub fn find(&self, name: &str) -> Option<WeightId> {
        self.by_name.get(name).copied()
    }

    /// Name of a weight.
    pub fn name(&self, id: WeightId) -> &str {
        &self.entries[id.0].0
    }

    /// Layout of a weight.
    pub fn layout(&self, id: WeightId) -> &Layout {
        &self.entries[id.0].1
    }

    /// Names and layouts, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Layout)> {
        self.entries.iter().map(|(name, layout)| (name.as_str(), layout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 128 << 20;

    #[test]
    fn a_large_matrix_is_split_by_rows_below_the_limit() {
        let layout = Layout::new(Format::F16, Shape::Matrix { outputs: 151_936, inputs: 896 }, LIMIT).unwrap();
        assert!(layout.parts.len() > 1);
        assert!(layout.parts.iter().all(|part| part.bytes <= LIMIT && part.first_output % PART_ROWS == 0));
        assert_eq!(layout.parts.iter().map(|part| part.outputs).sum::<u32>(), 151_936);
        assert_eq!(layout.bytes(), 151_936 * 896 * 2);
    }

    #[test]
    fn odd_rows_are_padded_to_whole_blocks_and_words() {
        let layout = Layout::new(Format::Q8, Shape::Matrix { outputs: 3, inputs: 33 }, LIMIT).unwrap();
        assert_eq!(layout.row_blocks(), 2);
        let part = layout.parts[0];
        assert_eq!((part.scales_at, part.bytes), (256, 256 + 12));
    }

    #[test]
    fn runs_of_one_format_share_a_part() {
        use Format::{Q4, Q8};
        let parts = |runs: &[(Format, u32)]| {
            let layout = Layout::joined(runs, 96, LIMIT).unwrap();
            layout.parts.iter().map(|part| (part.format, part.first_output, part.outputs)).collect::<Vec<_>>()
        };
        assert_eq!(parts(&[(Q4, 5), (Q4, 2), (Q4, 3)]), [(Q4, 0, 10)]);
        assert_eq!(parts(&[(Q4, 5), (Q4, 2), (Q8, 3)]), [(Q4, 0, 7), (Q8, 7, 3)]);
        assert_eq!(parts(&[(Q8, 5), (Q8, 2)]), [(Q8, 0, 5), (Q8, 5, 2)], "15 scales of 2 bytes are no whole words");
        assert_eq!(Layout::joined(&[(Q4, 5), (Q8, 3)], 96, LIMIT).unwrap().part_of(6).0, 1);
    }

    #[test]
    fn rows_too_long_for_the_device_are_refused() {
        let error = Layout::new(Format::F32, Shape::Matrix { outputs: 64, inputs: 1 << 20 }, 1 << 20).unwrap_err();
        assert_eq!(error.code(), "out-of-memory");
        let error = Layout::new(Format::Q4, Shape::Matrix { outputs: u32::MAX, inputs: 1 << 18 }, LIMIT).unwrap_err();
        assert!(error.to_string().starts_with("[4294967295, 262144] values in q4 take more"), "{error}");
    }
}
