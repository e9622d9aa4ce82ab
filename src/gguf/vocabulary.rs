//! The arrays of a GGUF's metadata -> a vocabulary without its JSON in between, and the short rest as settings.

use crate::gguf::cursor::{Cursor, Read, TEXT};
use crate::tokenizer::Vocabulary;
use crate::{Error, Result};
use serde_json::{Map, Value};

/// Arrays as they are read.
#[derive(Debug, Default)]
pub(super) struct Arrays {
    tokens: Option<Vec<String>>,
    merges: Option<Vec<String>>,
    scores: Option<Vec<f32>>,
    kinds: Option<Vec<i32>>,
    /// Every other one, by its name; `None` for what is too long to be a setting.
    rest: Map<String, Value>,
}

const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const SCORES: &str = "tokenizer.ggml.scores";
const KINDS: &str = "tokenizer.ggml.token_type";
const F32: u32 = 6;
const I32: u32 = 5;

impl Arrays {
    /// Begins an array of values of type `kind`; `keep` tells whether it is short enough for a setting.
    pub fn begin(&mut self, key: &str, kind: u32, keep: bool) -> Result<()> {
        let (again, expected) = match key {
            TOKENS => (self.tokens.replace(Vec::new()).is_some(), Some((TEXT, "texts"))),
            MERGES => (self.merges.replace(Vec::new()).is_some(), Some((TEXT, "texts"))),
            SCORES => (self.scores.replace(Vec::new()).is_some(), Some((F32, "f32"))),
            KINDS => (self.kinds.replace(Vec::new()).is_some(), Some((I32, "i32"))),
            _ => {
                let empty = if keep { Value::Array(Vec::new()) } else { Value::Null };
                (self.rest.insert(key.to_string(), empty).is_some(), None)
            }
        };
        match expected {
            _ if again => Err(Error::File("stands twice in the file".into())),
            Some((expected, name)) if kind != expected => {
                Err(Error::File(format!("an array of type {kind}, expected {name} (type {expected})")))
            }
            _ => Ok(()),
        }
    }

    /// Reads one value of the array that was begun under `key`.
    pub fn read(&mut self, key: &str, kind: u32, cursor: &mut Cursor) -> Read<()> {
        match key {
            TOKENS => self.tokens.get_or_insert_default().push(cursor.text()?.to_string()),
            MERGES => self.merges.get_or_insert_default().push(cursor.text()?.to_string()),
            SCORES => self.scores.get_or_insert_default().push(f32::from_le_bytes(cursor.array()?)),
            KINDS => self.kinds.get_or_insert_default().push(i32::from_le_bytes(cursor.array()?)),
            _ => {
                let value = cursor.value(kind)?;
                if let Some(Value::Array(values)) = self.rest.get_mut(key) {
                    values.push(value);
                }
            }
        }
        Ok(())
    }

    /// What metadata and arrays say of the tokenizer; takes the long arrays out.
    pub fn take_vocabulary(&mut self, values: &Map<String, Value>) -> Result<Vocabulary> {
        Ok(Vocabulary {
            model: text(values, "model")?.unwrap_or_default(),
            pre: text(values, "pre")?,
            tokens: self.tokens.take().unwrap_or_default(),
            scores: self.scores.take().unwrap_or_default(),
            kinds: self.kinds.take().unwrap_or_default(),
            merges: self.merges.take().unwrap_or_default(),
            bos: id(values, "bos_token_id")?,
            eos: id(values, "eos_token_id")?,
            eot: id(values, "eot_token_id")?,
            eom: id(values, "eom_token_id")?,
            unk: id(values, "unknown_token_id")?,
            pad: id(values, "padding_token_id")?,
            add_bos: flag(values, "add_bos_token")?,
            add_eos: flag(values, "add_eos_token")?,
            add_space_prefix: flag(values, "add_space_prefix")?,
        })
    }

    /// The short arrays that are no vocabulary.
    pub fn into_rest(self) -> impl Iterator<Item = (String, Value)> {
        self.rest.into_iter().filter(|(_, value)| !value.is_null())
    }
}

fn text(values: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    get(values, name, "text", |value| value.as_str().map(str::to_string))
}

fn id(values: &Map<String, Value>, name: &str) -> Result<Option<u32>> {
    get(values, name, "a token's id", |value| value.as_u64().and_then(|id| u32::try_from(id).ok()))
}

fn flag(values: &Map<String, Value>, name: &str) -> Result<Option<bool>> {
    get(values, name, "true or false", Value::as_bool)
}

fn get<T>(
    values: &Map<String, Value>,
    name: &str,
    expected: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>> {
    let key = format!("tokenizer.ggml.{name}");
    let Some(value) = values.get(&key) else { return Ok(None) };
    let wrong = || Error::File(format!("metadata {key} is {value}, expected {expected}"));
    read(value).map(Some).ok_or_else(wrong)
}
