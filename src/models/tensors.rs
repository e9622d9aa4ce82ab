//! A family's table of tensor names and shapes -> the [`Spec`]s of a checkpoint.

use crate::manifest::{Manifest, Source};
use crate::weights::{Shape, Spec};

/// A row of a family's table. `{}` in a name stands for the layer's number.
pub struct Named {
    /// GGUF's name, which is ours too.
    gguf: &'static str,
    /// Hugging Face's name.
    hugging_face: &'static str,
    shape: Shape,
    transposed: bool,
    optional_in_gguf: bool,
}

/// A matrix, `[outputs, inputs]`.
pub fn matrix(gguf: &'static str, hugging_face: &'static str, outputs: u32, inputs: u32) -> Named {
    let shape = Shape::Matrix { outputs, inputs };
    Named { gguf, hugging_face, shape, transposed: false, optional_in_gguf: false }
}

/// A vector.
pub fn vector(gguf: &'static str, hugging_face: &'static str, width: u32) -> Named {
    Named { gguf, hugging_face, shape: Shape::Vector { width }, transposed: false, optional_in_gguf: false }
}

impl Named {
    /// The Hugging Face checkpoint stores it as `[inputs, outputs]`.
    pub fn transposed_in_hugging_face(self) -> Named {
        Named { transposed: true, ..self }
    }

    /// A GGUF file that lacks it is sound: such files say by a tensor's presence what others say by a setting.
    pub fn optional_in_gguf(self) -> Named {
        Named { optional_in_gguf: true, ..self }
    }

    fn spec(&self, source: Source, layer: u32) -> Spec {
        let number = layer.to_string();
        let name = self.gguf.replace("{}", &number);
        let (source_name, transposed) = match source {
            Source::Gguf => (name.clone(), false),
            Source::HuggingFace => (self.hugging_face.replace("{}", &number), self.transposed),
        };
        let required = source == Source::HuggingFace || !self.optional_in_gguf;
        Spec { name, source_name, shape: self.shape, transposed, required }
    }
}

/// The specs of a table: once each, or for each layer where the name has a `{}`, layer by layer.
pub fn specs(source: Source, layers: u32, table: &[Named]) -> Vec<Spec> {
    let (layered, single): (Vec<&Named>, Vec<&Named>) = table.iter().partition(|row| row.gguf.contains("{}"));
    let mut specs: Vec<Spec> = single.iter().map(|row| row.spec(source, 0)).collect();
    for layer in 0..layers {
        specs.extend(layered.iter().map(|row| row.spec(source, layer)));
    }
    specs
}

/// Whether the checkpoint holds a tensor of that name.
pub fn holds(manifest: &Manifest, name: &str) -> bool {
    manifest.tensors.iter().any(|entry| entry.name == name)
}
