//! The small files beside safetensors weights -> settings, the list of shards, and what turns text into tokens.

use crate::format::Encoding;
use crate::manifest::{Manifest, TensorEntry};
use crate::safetensors::{self, Index};
use crate::tokenizer::Tokenizer;
use crate::weights::Spec;
use crate::{Error, Result};
use serde_json::Value;

/// What a Hugging Face folder holds beside its weights, parsed as it comes.
#[derive(Default)]
pub(super) struct SideFiles {
    /// `config.json` as it is: [`safetensors::manifest`] reads it.
    config: Option<Vec<u8>>,
    /// `tokenizer.json` as it is: its parser wants the bytes.
    tokenizer: Option<Vec<u8>>,
    tokenizer_config: Option<Value>,
    generation_config: Option<Value>,
    /// `chat_template.jinja`.
    template: Option<String>,
    index: Option<Index>,
    given: bool,
    /// What stood before their names: leads messages about what is in them.
    folder: String,
}

/// The files that [`Loading::side_file`](super::Loading::side_file) takes. The first two are required.
pub const SIDE_FILES: [&str; 6] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];

/// The weight file of a model that comes without an index.
const SINGLE_FILE: &str = "model.safetensors";

impl SideFiles {
    /// Takes a whole file; what stands before the last slash of its name is for messages only.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let base = base_name(name);
        let parsed = match base {
            "config.json" => json(bytes).map(|_| self.config = Some(bytes.to_vec())),
            "tokenizer_config.json" => json(bytes).map(|value| self.tokenizer_config = Some(value)),
            "generation_config.json" => json(bytes).map(|value| self.generation_config = Some(value)),
            "model.safetensors.index.json" => Index::parse(bytes).map(|index| self.index = Some(index)),
            "chat_template.jinja" => text(bytes).map(|template| self.template = Some(template)),
            "tokenizer.json" => {
                self.tokenizer = Some(bytes.to_vec());
                Ok(())
            }
            _ => Err(Error::Option(format!("is no side file of a model; expected one of {}", SIDE_FILES.join(", ")))),
        };
        self.folder = name[..name.len() - base.len()].trim_end_matches(['/', '\\']).to_string();
        self.given = true;
        parsed.map_err(|error| error.at(name))
    }

    /// Whether any was given: the weights are safetensors then.
    pub(super) fn given(&self) -> bool {
        self.given
    }

    /// An error about what the files say, which names the file, led by the folder.
    pub(super) fn at_folder(&self, error: Error) -> Error {
        if self.folder.is_empty() { error } else { error.at(&self.folder) }
    }

    /// The manifest of the tensors of a weight file.
    pub(super) fn manifest(&self, entries: Vec<TensorEntry>) -> Result<Manifest> {
        let config = self.config.as_deref().ok_or_else(|| missing("config.json"));
        config.and_then(|config| safetensors::manifest(config, entries)).map_err(|error| self.at_folder(error))
    }

    /// The manifest of all weight files, given that of the first: of the tensors that the index adds nothing is known but
    /// the names and the files.
    pub(super) fn announced(&self, first: &Manifest) -> Manifest {
        let Some(index) = &self.index else { return first.clone() };
        let entry = |(name, file): (&str, usize)| TensorEntry {
            name: name.to_string(),
            shape: Vec::new(),
            encoding: Encoding::F32,
            file,
            offset: 0,
            bytes: 0,
        };
        Manifest { tensors: index.tensors().map(entry).collect(), ..first.clone() }
    }

    /// Refuses an index that lacks tensors that the model cannot run without: no file will bring them.
    pub(super) fn check_announced(&self, specs: &[Spec]) -> Result<()> {
        let Some(index) = &self.index else { return Ok(()) };
        match specs.iter().find(|spec| spec.required && index.shard_of(&spec.source_name).is_none()) {
            None => Ok(()),
            Some(spec) => {
                let message = format!("model.safetensors.index.json: tensor {} is missing", spec.source_name);
                Err(self.at_folder(Error::Model(message)))
            }
        }
    }

    /// Whether a tensor is to be looked for in the weight file of that number.
    pub(super) fn may_hold(&self, file: usize, tensor: &str) -> bool {
        self.index.as_ref().is_none_or(|index| index.shard_of(tensor) == Some(file))
    }

    /// The weight files that belong to them, in the order in which they are to come.
    pub(super) fn weight_files(&self) -> Vec<String> {
        match &self.index {
            None => vec![SINGLE_FILE.to_string()],
            Some(index) => index.shards().to_vec(),
        }
    }

    /// The tokenizer of `tokenizer.json`, whose bytes are let go of: they are long, and needed once.
    pub(super) fn take_tokenizer(&mut self) -> Result<Tokenizer> {
        let bytes = self.tokenizer.take().ok_or_else(|| missing("tokenizer.json"));
        let tokenizer = bytes.and_then(|bytes| Tokenizer::from_json(&bytes, self.tokenizer_config.as_ref()));
        let mut tokenizer = tokenizer.map_err(|error| self.at_folder(error))?;
        tokenizer.add_end_tokens(&self.end_tokens());
        Ok(tokenizer)
    }

    /// The chat template: of its own file, or the one in `tokenizer_config.json` (the default one of several).
    pub(super) fn chat_template(&self) -> Option<&str> {
        if let Some(template) = &self.template {
            return Some(template);
        }
        match self.tokenizer_config.as_ref()?.get("chat_template")? {
            Value::String(template) => Some(template),
            Value::Array(named) => {
                named.iter().find(|entry| entry["name"] == "default").and_then(|entry| entry["template"].as_str())
            }
            _ => None,
        }
    }

    /// The tokens that end a text, by `generation_config.json`, or else by `config.json`.
    fn end_tokens(&self) -> Vec<u32> {
        let of = |file: Option<&Value>| -> Vec<u32> {
            match file.and_then(|file| file.get("eos_token_id")) {
                Some(Value::Array(ids)) => ids.iter().filter_map(id).collect(),
                Some(value) => id(value).into_iter().collect(),
                None => Vec::new(),
            }
        };
        let generation = of(self.generation_config.as_ref());
        if !generation.is_empty() {
            return generation;
        }
        of(self.config.as_ref().and_then(|bytes| json(bytes).ok()).as_ref())
    }
}

/// What stands after the last slash.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

fn missing(name: &str) -> Error {
    Error::File(format!("{name} is missing: safetensors weights need it"))
}

fn json(bytes: &[u8]) -> Result<Value> {
    match serde_json::from_slice(bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Error::File("expected a JSON object, found another value".into())),
        Err(error) => Err(Error::File(format!("expected JSON: {error}"))),
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_string()),
        Err(error) => Err(Error::File(format!("expected UTF-8 text: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_last_name_and_errors_by_their_whole_one() {
        let mut side = SideFiles::default();
        assert!(!side.given());
        side.add("a/b/config.json", br#"{"model_type": "gpt2", "eos_token_id": 7}"#).unwrap();
        assert!(side.given());
        assert_eq!(side.manifest(Vec::new()).unwrap().architecture, "gpt2");
        assert_eq!(side.end_tokens(), [7]);

        let error = side.add("a/config.json", b"<html>").unwrap_err().to_string();
        assert!(error.starts_with("a/config.json: expected JSON"), "{error}");
        let error = side.add("a/vocab.txt", b"").unwrap_err().to_string();
        assert!(error.starts_with("a/vocab.txt: is no side file"), "{error}");
        let error = side.take_tokenizer().unwrap_err().to_string();
        assert!(error.starts_with("a: tokenizer.json is missing"), "{error}");
    }

    #[test]
    fn the_default_of_several_templates_is_taken_and_a_file_of_its_own_goes_first() {
        let mut side = SideFiles::default();
        let config = br#"{"chat_template": [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]}"#;
        side.add("tokenizer_config.json", config).unwrap();
        assert_eq!(side.chat_template(), Some("D"));
        side.add("chat_template.jinja", b"J").unwrap();
        assert_eq!(side.chat_template(), Some("J"));
    }

    #[test]
    fn end_tokens_of_generation_go_before_those_of_the_model() {
        let mut side = SideFiles::default();
        side.add("config.json", br#"{"eos_token_id": 2}"#).unwrap();
        side.add("generation_config.json", br#"{"eos_token_id": [5, 9]}"#).unwrap();
        assert_eq!(side.end_tokens(), [5, 9]);
    }
}
