//! A [`Manifest`] -> a model family: which tensors it needs, and its forward pass as a [`Plan`].
//!
//! A family is one file and one row of [`FAMILIES`]. It reads settings, names tensors and records steps; it knows no
//! device, no weight format and no other family.

mod gpt2;
mod llama;
mod qwen2;
mod qwen3;
mod rope;
mod settings;
mod tensors;
mod unsupported;

use crate::manifest::Manifest;
use crate::plan::{CacheShape, Output, Plan};
use crate::weights::{Catalogue, Spec};
use crate::{Error, Result};

/// One architecture, opened over a checkpoint's settings.
pub trait Family {
    /// Every tensor that the forward pass uses, with this checkpoint's names and the shapes that its settings call for.
    fn specs(&self) -> Vec<Spec>;

    /// Tables computed on the host, to be put beside the weights as vectors before a plan is built. Those of a family
    /// that rotates queries and keys hold `context` positions.
    ///
    /// `tensor` gives the values of a small tensor of the checkpoint, if it has it: those in [`Family::kept`].
    ///
    /// # Errors
    /// Where the model cannot run at that context, or a kept tensor is not given or has values out of range.
    fn constants(&self, context: u32, tensor: &dyn Fn(&str) -> Option<Vec<f32>>) -> Result<Vec<Constant>>;

    /// Names (as in [`Spec::name`]) of the small vectors whose values [`Family::constants`] needs. They are among the
    /// [`Family::specs`] of this checkpoint; most have none.
    fn kept(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The forward pass of up to `rows` tokens over a cache of `context` positions.
    ///
    /// `catalogue` holds what [`Family::specs`] asked for, in those shapes, and [`Family::constants`] of that context.
    ///
    /// # Errors
    /// Where `catalogue` lacks a tensor, or the model cannot run at that context.
    fn plan(&self, catalogue: &Catalogue, context: u32, rows: u32, output: Output) -> Result<Plan>;

    /// The sizes of the model.
    fn shape(&self) -> ModelShape;
}

/// The sizes of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelShape {
    /// Blocks of attention and feed-forward.
    pub layers: u32,
    /// Values of a token between layers.
    pub width: u32,
    /// Heads of the queries.
    pub heads: u32,
    /// Heads of the keys and values; each serves `heads / kv_heads` heads of the queries.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_width: u32,
    /// Values between the two matrices of the feed-forward network.
    pub hidden: u32,
    /// Tokens that have a row in the table of embeddings and a logit.
    pub vocab: u32,
    /// The longest position that the model was trained for.
    pub context: u32,
}

/// A table computed on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The name under which plans use it.
    pub name: String,
    /// Its values, in an order that the family and its kernels agree on.
    pub data: Vec<f32>,
}

/// How a family is opened.
type Open = fn(&Manifest) -> Result<Box<dyn Family>>;

/// Architecture's name in its source, and its family.
const FAMILIES: &[(&str, Open)] = &[
    ("gpt2", gpt2::open),
    ("llama", llama::open),
    ("mistral", llama::open),
    ("qwen2", qwen2::open),
    ("qwen3", qwen3::open),
];

/// The architectures that can be opened.
pub fn supported() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(name, _)| *name)
}

/// The family of a checkpoint, by its architecture.
///
/// # Errors
/// `Unsupported` for an architecture that is not in the list, and for settings that ask for arithmetic that no family
/// has; `Model` for settings that are missing, of another type, or that contradict each other.
pub fn open(manifest: &Manifest) -> Result<Box<dyn Family>> {
    let name = manifest.architecture.as_str();
    let Some((_, open)) = FAMILIES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = supported().collect();
        return Err(Error::Unsupported(format!("architecture {name:?}; supported: {}", known.join(", "))));
    };
    unsupported::refuse(&manifest.settings)?;
    open(manifest)
}

/// The widest row that a model may have: far beyond any, and what is made of several rows is still a u32.
const MOST_VALUES: u64 = 1 << 20;

impl ModelShape {
    /// The same, once its sizes are known to fit each other and the checkpoint.
    fn checked(self, manifest: &Manifest) -> Result<ModelShape> {
        let ModelShape { layers, heads, kv_heads, head_width, .. } = self;
        unsupported::refuse_window(&manifest.settings, self.context)?;
        unsupported::refuse_value_width(&manifest.settings, head_width)?;
        if layers as usize > manifest.tensors.len() {
            let tensors = manifest.tensors.len();
            return Err(Error::Model(format!("{layers} layers in a checkpoint of {tensors} tensors")));
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(Error::Model(format!("{heads} heads cannot share {kv_heads} key and value heads evenly")));
        }
        let largest = (u64::from(heads) * u64::from(head_width)).max(self.width.into()).max(self.hidden.into());
        if head_width == 0 || largest > MOST_VALUES {
            return Err(Error::Model(format!("rows of nothing, or of more than {MOST_VALUES} values: {self:?}")));
        }
        Ok(self)
    }

    /// Values of all query heads.
    fn query_width(&self) -> u32 {
        self.heads * self.head_width
    }

    /// Values of all key heads, and of all value heads.
    fn kv_width(&self) -> u32 {
        self.kv_heads * self.head_width
    }

    /// What the scores of attention are multiplied by, so that they keep unit variance.
    fn attention_scale(&self) -> f32 {
        1.0 / (self.head_width as f32).sqrt()
    }

    /// The cache for that many positions.
    fn cache(&self, context: u32) -> CacheShape {
        CacheShape { layers: self.layers, kv_heads: self.kv_heads, head_width: self.head_width, context }
    }
}

#[cfg(test)]
mod tests;
