//! `tokenizer.json` and `tokenizer_config.json` -> the parts of a tokenizer.
//!
//! The `tokenizers` crate could read the file by itself, but it builds a tree of JSON values in between, several times
//! the size of the vocabulary, and it panics on some damaged files. So BPE, which nearly every language model has, is
//! read straight into its tables; the small parts and the other models are the crate's to read.

use super::around::Around;
use super::bpe::{self, Rules};
use super::detokenizer::Detokenizer;
use super::{Parts, added_vocabularies};
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashSet;
use tokenizers::models::bpe::{Merges, Vocab};
use tokenizers::{AddedToken, Model, ModelWrapper};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: &'a RawValue,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

/// What tells one kind of model from another; files of old have no `type`.
#[derive(Deserialize)]
struct ModelType {
    r#type: Option<String>,
    merges: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Bpe {
    vocab: Vocab,
    merges: Vec<Merge>,
    #[serde(flatten)]
    rules: Rules,
}

pub fn parts(tokenizer_json: &[u8], config: Option<&Value>) -> Result<Parts> {
    let document: Document = serde_json::from_slice(tokenizer_json).map_err(wrong("tokenizer.json"))?;
    let normalizer = part("normalizer", document.normalizer)?;
    let pre_tokenizer = part("pre-tokenizer", document.pre_tokenizer)?;
    let (model, highest) = model(document.model, &document.added_tokens)?;

    let tokens = document.added_tokens.into_iter().map(|added| added.token).collect();
    let (added, added_ordinary) = added_vocabularies(tokens, &model, normalizer.as_ref())?;
    let Around { before, after } =
        Around::new(&document.post_processor).map_err(|error| error.at("tokenizer.json: its post-processor"))?;
    let highest = added.get_added_tokens_decoder().keys().copied().chain(highest).max();
    let mut parts = Parts {
        normalizer,
        pre_tokenizer,
        model,
        added,
        added_ordinary,
        detokenizer: Detokenizer::new(document.decoder)?,
        before,
        after,
        bos: None,
        eos: None,
        vocab: highest.map_or(0, |id| id.saturating_add(1)),
    };
    configure(&mut parts, config.unwrap_or(&Value::Null));
    Ok(parts)
}

/// One of the parts that the crate reads; null for none.
fn part<T: DeserializeOwned>(name: &str, value: Value) -> Result<Option<T>> {
    serde_json::from_value(value).map_err(wrong(format!("tokenizer.json: its {name}")))
}

fn wrong(place: impl std::fmt::Display) -> impl FnOnce(serde_json::Error) -> Error {
    move |error| Error::Tokenizer(format!("{place} can't be read: {error}"))
}

/// The model and the highest id of its vocabulary.
fn model(json: &RawValue, added: &[Added]) -> Result<(ModelWrapper, Option<u32>)> {
    let failed = |error| wrong("tokenizer.json: its model")(error);
    let kind: ModelType = serde_json::from_str(json.get()).map_err(failed)?;
    let is_bpe = kind.r#type.map_or(kind.merges.is_some(), |kind| kind == "BPE");
    if !is_bpe {
        let model: ModelWrapper = serde_json::from_str(json.get()).map_err(failed)?;
        let highest = model.get_vocab().into_values().max();
        return Ok((model, highest));
    }
    let Bpe { mut vocab, merges, rules } = serde_json::from_str(json.get()).map_err(failed)?;
    add_missing(&mut vocab, added);
    let merges: Merges = merges.into_iter().map(|merge| merge.0).collect();
    let highest = vocab.values().copied().max();
    let model = bpe::build(vocab, merges, rules).map_err(|error| error.at("tokenizer.json"))?;
    Ok((ModelWrapper::BPE(model), highest))
}

/// Added tokens that the model's vocabulary lacks go into it under the ids that they name, for the crate would number
/// them in a row from the vocabulary's end. Where the id is taken that is what happens, as in `transformers`.
fn add_missing(vocab: &mut Vocab, added: &[Added]) {
    let taken: HashSet<u32> = vocab.values().copied().collect();
    for Added { id, token } in added {
        if !taken.contains(id) && !vocab.contains_key(&token.content) {
            vocab.insert(token.content.clone(), *id);
        }
    }
}

/// Takes over what `tokenizer_config.json` says: the tokens that begin and end a text, and whether they are added. Where
/// it says nothing of the latter, the post-processor has decided.
fn configure(parts: &mut Parts, config: &Value) {
    let token = |name: &str| {
        let entry = config.get(name)?;
        let text = entry.get("content").unwrap_or(entry).as_str()?;
        parts.added.token_to_id(text, &parts.model)
    };
    let (bos, eos) = (token("bos_token"), token("eos_token"));
    let flag = |name: &str| config.get(name).and_then(Value::as_bool);
    match (bos, flag("add_bos_token")) {
        (Some(bos), Some(true)) if parts.before.first() != Some(&bos) => parts.before.insert(0, bos),
        (Some(bos), Some(false)) => parts.before.retain(|id| *id != bos),
        _ => {}
    }
    match (eos, flag("add_eos_token")) {
        (Some(eos), Some(true)) if parts.after.last() != Some(&eos) => parts.after.push(eos),
        (Some(eos), Some(false)) => parts.after.retain(|id| *id != eos),
        _ => {}
    }
    (parts.bos, parts.eos) = (bos, eos);
}

/// A merge, written as a pair or, in older files, as one text with a space between.
struct Merge((String, String));

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Merge, D::Error> {
        struct Pair;

        impl<'de> Visitor<'de> for Pair {
            type Value = Merge;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a merge: two texts, or one with a space between them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Merge, E> {
                match text.split_once(' ') {
                    Some((left, right)) if !right.contains(' ') => Ok(Merge((left.to_string(), right.to_string()))),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Merge, A::Error> {
                let mut next = |place| texts.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &self));
                let merge = Merge((next(0)?, next(1)?));
                match texts.next_element::<serde::de::IgnoredAny>()? {
                    None => Ok(merge),
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                }
            }
        }

        deserializer.deserialize_any(Pair)
    }
}
