//! One forward pass as plain data: typed steps over named, shaped tensors.
//!
//! A plan is built without a device and prints one line a step. It depends only on the settings and on how many rows
//! it has room for; what varies between two runs is [`Live`]: the position and the rows that are in use.

mod builder;
mod describe;
mod slots;

use crate::weights::{Catalogue, WeightId};
use crate::{Error, Result};

pub use builder::Builder;
pub use slots::Slots;

/// What changes from run to run: nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Position of the first row: how many tokens the cache already holds.
    pub position: u32,
    /// Rows in use, from 1 to the plan's.
    pub rows: u32,
    /// Tokens generated before this run: the place of its random number.
    pub place: u32,
    /// Which record of a ring of results takes the chosen token.
    pub slot: u32,
}

impl Live {
    /// The words of the uniform, in the order of the fields.
    pub fn words(self) -> [u32; 4] {
        [self.position, self.rows, self.place, self.slot]
    }
}

/// A tensor of a plan: its place in [`Plan::tensors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tensor(pub usize);

/// What a tensor is called and how large it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name in the printed plan.
    pub name: String,
    /// How many rows.
    pub rows: Rows,
    /// Values in a row.
    pub width: u32,
}

/// How many rows a tensor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// One for each token of the pass.
    All,
    /// One: of the last token in use.
    Last,
    /// So many, of which a run writes one: a ring of results.
    Fixed(u32),
}

/// Columns `start .. start + width` of a tensor: queries, keys and values may stand side by side in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Whose columns.
    pub tensor: Tensor,
    /// The first column.
    pub start: u32,
    /// How many columns.
    pub width: u32,
}

/// What a row of a table is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// The row's token.
    Token,
    /// The row's position.
    Position,
}

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x`.
    Identity,
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU by its tanh approximation (GPT-2's `gelu_new`).
    GeluTanh,
    /// GELU by the error function.
    GeluErf,
    /// The greater of `x` and 0.
    Relu,
}

/// What becomes of a result where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Combine {
    /// `y = value`.
    Store,
    /// `y += value`: a residual.
    Add,
    /// `y *= value`: a gate.
    Multiply,
}

/// Which values are paired by a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// `2i` with `2i + 1`: Llama's weights in GGUF.
    Adjacent,
    /// `i` with `i + rotary / 2`: Hugging Face's weights, and GPT-NeoX.
    Halves,
}

/// Half of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What queries are compared with.
    Keys,
    /// What is mixed.
    Values,
}

/// How heads are rotated by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Cosine and sine, `[context, rotary / 2, 2]`.
    pub table: WeightId,
    /// How many values of a head are rotated: the first ones.
    pub rotary: u32,
    /// Which of them are paired.
    pub pairing: Pairing,
}

/// The gains, each as long as a head, that heads are multiplied by once they are scaled to unit mean square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadNorms {
    /// Of queries.
    pub queries: WeightId,
    /// Of keys.
    pub keys: WeightId,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// What is done to a matmul's result, or to a tensor by [`Step::Pointwise`]: `y = combine(y, activation(value + bias))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epilogue {
    /// Vector added first.
    pub bias: Option<WeightId>,
    /// Function of the sum.
    pub activation: Activation,
    /// How it meets what `y` holds.
    pub combine: Combine,
}

impl Epilogue {
    /// `y = value`.
    pub const NONE: Epilogue = Epilogue { bias: None, activation: Activation::Identity, combine: Combine::Store };
}

/// A norm that a matmul of one row applies to its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// As [`Step::RmsNorm`] over the whole row.
    Rms {
        /// As long as the row.
        gain: WeightId,
        /// Added to the mean square.
        epsilon: f32,
    },
    /// As [`Step::LayerNorm`].
    Layer {
        /// As long as the row.
        gain: WeightId,
        /// As long as the row.
        bias: WeightId,
        /// Added to the variance.
        epsilon: f32,
    },
}

impl Norm {
    /// The weights that are read.
    pub fn weights(&self) -> impl Iterator<Item = WeightId> + use<> {
        let (gain, bias) = match *self {
            Norm::Rms { gain, .. } => (gain, None),
            Norm::Layer { gain, bias, .. } => (gain, Some(bias)),
        };
        std::iter::once(gain).chain(bias)
    }
}

/// One operation. Kernels of the same name carry it out.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the names in each step's formula")]
pub enum Step {
    /// `y[t] = table[index of t]`, or added to `y[t]`.
    Embed { table: WeightId, index: Index, combine: Combine, y: Tensor },
    /// Scales each of a row's `groups` equal runs to unit mean square, then by `gain` (as long as a run).
    RmsNorm { x: View, gain: WeightId, groups: u32, epsilon: f32, y: Tensor },
    /// Shifts and scales each row to mean 0 and variance 1, then by `gain` and `bias`.
    LayerNorm { x: View, gain: WeightId, bias: WeightId, epsilon: f32, y: Tensor },
    /// `y[t] = epilogue(matrix norm(x[t]))`; with a norm, of one row only.
    Matmul { x: View, norm: Option<Norm>, matrix: WeightId, epilogue: Epilogue, y: View },
    /// `y[i] = activation(a[i]) * a[n + i]` of one row, where `a = matrix norm(x) + bias` has `2 n` values.
    Gated { x: View, norm: Option<Norm>, matrix: WeightId, bias: Option<WeightId>, activation: Activation, y: Tensor },
    /// `y[t] = epilogue(x[t])`.
    Pointwise { x: View, epilogue: Epilogue, y: View },
    /// Rotates the first `rotary` values of each head by its position. `table`: cosine and sine, `[context, rotary / 2, 2]`.
    Rope { x: View, table: WeightId, head_width: u32, rotary: u32, pairing: Pairing, y: Tensor },
    /// Appends rows to the cache of a layer.
    Store { x: View, layer: u32, side: Side },
    /// Splits `x`, queries, keys and values side by side, into `y` (queries) and the cache of a layer (keys and values);
    /// queries and keys are normed and rotated head by head on the way. It stands for up to six of the steps above.
    Heads { x: View, layer: u32, norms: Option<HeadNorms>, rotation: Option<Rotation>, y: Tensor },
    /// [`Step::Heads`] of `matrix norm(x) + bias`, of one row and without norms of heads.
    MatmulHeads {
        x: View,
        norm: Option<Norm>,
        matrix: WeightId,
        bias: Option<WeightId>,
        rotation: Option<Rotation>,
        layer: u32,
        y: Tensor,
    },
    /// Softmax attention of each query row over the layer's cache, up to and with the row's own position.
    Attention { q: View, layer: u32, heads: u32, scale: f32, y: Tensor },
    /// `y[0] = x[last row in use]`.
    LastRow { x: View, y: Tensor },
    /// `y[slot]` = the record of the next token, chosen by the one row of logits and the options of the answer; left out of
    /// runs that no choice is asked of. [`choose`](crate::kernels::choose) says more.
    Choose { logits: View, y: Tensor },
}

/// The cache of keys and values that a plan reads and appends to: per layer and side `[kv_heads, context, head_width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers with a cache of their own.
    pub layers: u32,
    /// Heads of keys and of values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_width: u32,
    /// Greatest number of positions.
    pub context: u32,
}

/// Which rows are given logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The last row in use: to choose the next token.
    Last,
    /// Every row: to score a text.
    All,
}

/// One forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Greatest number of rows in a run.
    pub rows: u32,
    /// The cache that the steps read and append to.
    pub cache: CacheShape,
    /// What the steps work on.
    pub tensors: Vec<TensorInfo>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// `[rows or 1, vocab]`: a score for each token.
    pub logits: Tensor,
    /// `[RECORDS, RECORD]`, u32: the tokens that were chosen, in a plan that gives the last row alone logits.
    /// [`RECORD`](crate::kernels::choose::RECORD) tells what stands in a row.
    pub choice: Option<Tensor>,
}

impl Plan {
    /// What a tensor is.
    pub fn info(&self, tensor: Tensor) -> &TensorInfo {
        &self.tensors[tensor.0]
    }

    /// All columns of a tensor.
    pub fn whole(&self, tensor: Tensor) -> View {
        View { tensor, start: 0, width: self.info(tensor).width }
    }

    /// Greatest number of rows of a tensor.
    pub fn rows_of(&self, tensor: Tensor) -> u32 {
        match self.info(tensor).rows {
            Rows::All => self.rows,
            Rows::Last => 1,
            Rows::Fixed(rows) => rows,
        }
    }

    /// What a run of so many tokens from `position` on varies, where it is the first to choose a token.
    ///
    /// # Errors
    /// Where there are no tokens, more than the plan's rows, or they pass the end of the cache.
    pub fn live(&self, tokens: usize, position: u32) -> Result<Live> {
        let rows = u32::try_from(tokens).unwrap_or(u32::MAX);
        if rows == 0 || rows > self.rows {
            return Err(Error::Option(format!("{tokens} tokens in a pass of 1 to {}", self.rows)));
        }
        if position.checked_add(rows).is_none_or(|end| end > self.cache.context) {
            let context = self.cache.context;
            return Err(Error::Context(format!(
                "{tokens} tokens from position {position} on pass the context of {context}"
            )));
        }
        Ok(Live { position, rows, place: 0, slot: 0 })
    }

    /// The table that tokens are looked up in, if the plan looks any up.
    pub fn token_table(&self) -> Option<WeightId> {
        self.steps.iter().find_map(|step| match step {
            Step::Embed { table, index: Index::Token, .. } => Some(*table),
            _ => None,
        })
    }

    /// Bytes of the matrices that a run multiplies by: every one is read once.
    pub fn weight_bytes(&self, catalogue: &Catalogue) -> u64 {
        self.steps.iter().filter_map(Step::matrix).map(|matrix| catalogue.layout(matrix).bytes()).sum()
    }

    /// Rows of a tensor in a run.
    pub fn live_rows(&self, tensor: Tensor, live: Live) -> u32 {
        match self.info(tensor).rows {
            Rows::All => live.rows.min(self.rows),
            Rows::Last | Rows::Fixed(_) => live.rows.min(1),
        }
    }
}

impl Step {
    /// The name of the kernel.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Embed { .. } => "embed",
            Step::RmsNorm { .. } => "rms_norm",
            Step::LayerNorm { .. } => "layer_norm",
            Step::Matmul { .. } => "matmul",
            Step::Gated { .. } => "gated",
            Step::Pointwise { .. } => "pointwise",
            Step::Rope { .. } => "rope",
            Step::Store { .. } => "store",
            Step::Heads { .. } => "heads",
            Step::MatmulHeads { .. } => "matmul_heads",
            Step::Attention { .. } => "attention",
            Step::LastRow { .. } => "last_row",
            Step::Choose { .. } => "choose",
        }
    }

    /// The tensor that is read (beside what [`Combine`] reads of the one written).
    pub fn input(&self) -> Option<Tensor> {
        match self {
            Step::Embed { .. } => None,
            Step::RmsNorm { x, .. }
            | Step::LayerNorm { x, .. }
            | Step::Matmul { x, .. }
            | Step::Gated { x, .. }
            | Step::Pointwise { x, .. }
            | Step::Rope { x, .. }
            | Step::Store { x, .. }
            | Step::Heads { x, .. }
            | Step::MatmulHeads { x, .. }
            | Step::LastRow { x, .. } => Some(x.tensor),
            Step::Choose { logits, .. } => Some(logits.tensor),
            Step::Attention { q, .. } => Some(q.tensor),
        }
    }

    /// The tensor that is written.
    pub fn output(&self) -> Option<Tensor> {
        match self {
            Step::Store { .. } => None,
            Step::Matmul { y, .. } | Step::Pointwise { y, .. } => Some(y.tensor),
            Step::Embed { y, .. }
            | Step::RmsNorm { y, .. }
            | Step::LayerNorm { y, .. }
            | Step::Gated { y, .. }
            | Step::Rope { y, .. }
            | Step::Heads { y, .. }
            | Step::MatmulHeads { y, .. }
            | Step::Attention { y, .. }
            | Step::LastRow { y, .. }
            | Step::Choose { y, .. } => Some(*y),
        }
    }

    /// The matrix that is multiplied by, if any.
    pub fn matrix(&self) -> Option<WeightId> {
        match self {
            Step::Matmul { matrix, .. } | Step::Gated { matrix, .. } | Step::MatmulHeads { matrix, .. } => {
                Some(*matrix)
            }
            _ => None,
        }
    }

    /// The weights that are read.
    pub fn weights(&self) -> Vec<WeightId> {
        match self {
            Step::Embed { table, .. } | Step::Rope { table, .. } => vec![*table],
            Step::RmsNorm { gain, .. } => vec![*gain],
            Step::LayerNorm { gain, bias, .. } => vec![*gain, *bias],
            Step::Matmul { norm, matrix, epilogue, .. } => {
                std::iter::once(*matrix).chain(norm.iter().flat_map(Norm::weights)).chain(epilogue.bias).collect()
            }
            Step::Gated { norm, matrix, bias, .. } => {
                std::iter::once(*matrix).chain(norm.iter().flat_map(Norm::weights)).chain(*bias).collect()
            }
            Step::MatmulHeads { norm, matrix, bias, rotation, .. } => {
                let vectors = norm.iter().flat_map(Norm::weights).chain(*bias);
                std::iter::once(*matrix).chain(vectors).chain(rotation.map(|rotation| rotation.table)).collect()
            }
            Step::Pointwise { epilogue, .. } => epilogue.bias.into_iter().collect(),
            Step::Heads { norms, rotation, .. } => {
                let gains = norms.iter().flat_map(|norms| [norms.queries, norms.keys]);
                gains.chain(rotation.iter().map(|rotation| rotation.table)).collect()
            }
            Step::Store { .. } | Step::Attention { .. } | Step::LastRow { .. } | Step::Choose { .. } => Vec::new(),
        }
    }
}
