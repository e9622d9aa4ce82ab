//! How activations meet weights of four or eight bits: on the processor all, on a GPU those of several rows. One row is
//! multiplied as f32 there.

use crate::{Error, Result};

/// What activations are turned into before they are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// What suits the device: [`Int16`](Activations::Int16) on the processor; on a GPU that or [`F32`](Activations::F32),
    /// by measurement.
    #[default]
    Auto,
    /// f32: nothing is lost.
    F32,
    /// Two times eight bits, and a scale for every 32 values: as good as 16 bits.
    Int16,
    /// Eight bits, and a scale for every 32 values.
    Int8,
}

impl Activations {
    /// Every one, in the order of their precision.
    pub const ALL: [Activations; 4] = [Activations::Auto, Activations::F32, Activations::Int16, Activations::Int8];

    /// The name as options take it.
    pub fn name(self) -> &'static str {
        match self {
            Activations::Auto => "auto",
            Activations::F32 => "f32",
            Activations::Int16 => "int16",
            Activations::Int8 => "int8",
        }
    }

    /// From an option's text.
    ///
    /// # Errors
    /// [`Error::Option`] with the names that there are.
    pub fn parse(text: &str) -> Result<Activations> {
        let found = Self::ALL.into_iter().find(|activations| activations.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::Option(format!("activations are {text:?}; supported: {names}"))
        })
    }

    /// What is meant on the processor.
    pub(super) fn on_the_processor(self) -> Activations {
        if self == Activations::Auto { Activations::Int16 } else { self }
    }
}
