//! A family's table of tensor names and shapes -> the [`Spec`]s of a checkpoint.

use crate::manifest::{Manifest, Source};
use crate::weights::{Run, Shape, Spec};

/// A row of a family's table. `{}` in a name stands for the layer's number.
pub struct Named {
    /// GGUF's name, which is ours too.
    gguf: &'static str,
    /// Hugging Face's name.
    hugging_face: &'static str,
    shape: Shape,
    transposed: bool,
    optional_in_gguf: bool,
    /// The weight that it is a run of, by the name under which plans use it.
    joined: Option<(&'static str, Run)>,
}

/// A matrix, `[outputs, inputs]`.
pub fn matrix(gguf: &'static str, hugging_face: &'static str, outputs: u32, inputs: u32) -> Named {
    Named::new(gguf, hugging_face, Shape::Matrix { outputs, inputs })
}

/// A vector.
pub fn vector(gguf: &'static str, hugging_face: &'static str, width: u32) -> Named {
    Named::new(gguf, hugging_face, Shape::Vector { width })
}

/// Tensors whose rows (a vector's values), one after another, make up one weight: what multiplies the same activations
/// is computed together.
pub fn joined<const N: usize>(weight: &'static str, mut tensors: [Named; N]) -> [Named; N] {
    let rows = |named: &Named| match named.shape {
        Shape::Matrix { outputs, .. } => outputs,
        Shape::Vector { width } => width,
    };
    let of = tensors.iter().map(rows).sum();
    let mut first = 0;
    for tensor in &mut tensors {
        tensor.joined = Some((weight, Run { first, of }));
        first += rows(tensor);
    }
    tensors
}

impl Named {
    fn new(gguf: &'static str, hugging_face: &'static str, shape: Shape) -> Named {
        Named { gguf, hugging_face, shape, transposed: false, optional_in_gguf: false, joined: None }
    }

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
        let (source_name, transposed) = match source {
            Source::Gguf => (self.gguf.replace("{}", &number), false),
            Source::HuggingFace => (self.hugging_face.replace("{}", &number), self.transposed),
        };
        let name = self.joined.map_or(self.gguf, |(weight, _)| weight).replace("{}", &number);
        let run = self.joined.map(|(_, run)| run);
        let required = source == Source::HuggingFace || !self.optional_in_gguf;
        Spec { name, source_name, shape: self.shape, run, transposed, required }
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
