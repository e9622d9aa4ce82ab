//! Public models by the settings of their `config.json`, as far as these decide sizes and steps.

use super::super::LoadOptions;
use crate::format::Encoding;
use crate::manifest::{Manifest, Settings, Source, TensorEntry};
use crate::weights::Precision;
use crate::{Error, Result, models};
use serde_json::Value;

/// A model.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    architecture: &'static str,
    settings: &'static str,
    precision: Precision,
}

/// The models that are predicted; all but GPT-2 in 4 bits, a scale and a minimum for every 32 weights.
pub const MODELS: &[Model] = &[
    Model {
        name: "SmolLM2-135M",
        architecture: "llama",
        settings: r#"{"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
            "intermediate_size": 1536, "vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": true}"#,
        precision: Precision::Q4,
    },
    Model {
        name: "GPT-2 124M",
        architecture: "gpt2",
        settings: r#"{"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_positions": 1024}"#,
        precision: Precision::F16,
    },
    Model {
        name: "Qwen3-0.6B",
        architecture: "qwen3",
        settings: r#"{"hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
            "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936, "max_position_embeddings": 40960,
            "tie_word_embeddings": true}"#,
        precision: Precision::Q4,
    },
    Model {
        name: "Llama-3.2-1B",
        architecture: "llama",
        settings: r#"{"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 64, "intermediate_size": 8192, "vocab_size": 128256, "max_position_embeddings": 131072,
            "tie_word_embeddings": true}"#,
        precision: Precision::Q4,
    },
    Model {
        name: "Llama-3.2-3B",
        architecture: "llama",
        settings: r#"{"hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 24, "num_key_value_heads": 8,
            "head_dim": 128, "intermediate_size": 8192, "vocab_size": 128256, "max_position_embeddings": 131072,
            "tie_word_embeddings": true}"#,
        precision: Precision::Q4,
    },
    // Its own family joins queries, keys and values in one tensor; as a Llama it has the same sizes and steps.
    Model {
        name: "Phi-3-mini",
        architecture: "llama",
        settings: r#"{"hidden_size": 3072, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "intermediate_size": 8192, "vocab_size": 32064, "max_position_embeddings": 4096, "tie_word_embeddings": false}"#,
        precision: Precision::Q4,
    },
    Model {
        name: "Qwen3-4B",
        architecture: "qwen3",
        settings: r#"{"hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "intermediate_size": 9728, "vocab_size": 151936, "max_position_embeddings": 40960,
            "tie_word_embeddings": true}"#,
        precision: Precision::Q4,
    },
];

impl Model {
    /// How its weights stand on the device.
    pub fn weights(&self) -> &'static str {
        match self.precision {
            Precision::Q4 => "q4",
            Precision::Q8 => "q8",
            Precision::F32 => "f32",
            Precision::F16 | Precision::Auto => "f16",
        }
    }

    /// The manifest of a checkpoint of these settings in f16, and the options that it is loaded with.
    pub(super) fn manifest(&self) -> Result<(Manifest, LoadOptions)> {
        let values: Value = serde_json::from_str(self.settings)
            .map_err(|error| Error::Model(format!("the settings of {}: {error}", self.name)))?;
        let values = values.as_object().cloned().unwrap_or_default();
        let settings = Settings { source: Source::HuggingFace, values };
        let entry = |name: String, shape: Vec<u64>, offset: u64| {
            let bytes = 2 * shape.iter().product::<u64>();
            TensorEntry { name, shape, encoding: Encoding::F16, file: 0, offset, bytes }
        };
        let architecture = self.architecture.to_string();
        // A family is opened over tensors of which it only asks how many there are, to be asked which it wants.
        let blank = (0..256).map(|number| entry(format!("{number}"), vec![1], 2 * number)).collect();
        let blank = Manifest { architecture: architecture.clone(), settings: settings.clone(), tensors: blank };
        let mut tensors: Vec<TensorEntry> = Vec::new();
        for spec in models::open(&blank)?.specs() {
            let (outputs, inputs) = spec.shape.sizes();
            let shape = match spec.shape {
                crate::weights::Shape::Vector { width } => vec![u64::from(width)],
                _ if spec.transposed => vec![inputs.into(), outputs.into()],
                _ => vec![outputs.into(), inputs.into()],
            };
            let offset = tensors.last().map_or(0, TensorEntry::end);
            tensors.push(entry(spec.source_name, shape, offset));
        }
        let options = LoadOptions { precision: self.precision, ..LoadOptions::default() };
        Ok((Manifest { architecture, settings, tensors }, options))
    }
}
