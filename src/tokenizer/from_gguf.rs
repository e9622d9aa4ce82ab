//! A GGUF file's own vocabulary -> the parts of a tokenizer.
//!
//! The texts are moved into the tables, not copied: vocabularies are large and WebAssembly's memory never shrinks.

use super::bpe::{self, Rules};
use super::detokenizer::{Detokenizer, Pieces, fallback_byte};
use super::{Kind, Parts, Vocabulary, added_vocabularies, pre};
use crate::{Error, Result};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::{NFC, Prepend, Replace, Sequence};
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper};

/// What differs between the two kinds of vocabulary.
struct Shape {
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    model: BPE,
    detokenizer: Detokenizer,
    /// Whether a text begins with `bos` where the file does not say.
    begins: bool,
}

pub fn parts(mut vocabulary: Vocabulary) -> Result<Parts> {
    let count = check(&vocabulary)?;
    if vocabulary.model == "llama" {
        // What the ids are where a file leaves them out.
        vocabulary.unk = vocabulary.unk.or(Some(0));
        vocabulary.bos = vocabulary.bos.or(Some(1));
        vocabulary.eos = vocabulary.eos.or(Some(2));
    }
    let known = |id: Option<u32>| id.filter(|id| *id < count);
    let (bos, eos) = (known(vocabulary.bos), known(vocabulary.eos));
    let (add_bos, add_eos) = (vocabulary.add_bos, vocabulary.add_eos);
    let added = added_tokens(&vocabulary);
    let shape = match vocabulary.model.as_str() {
        "gpt2" => byte_level(vocabulary)?,
        "llama" => sentencepiece(vocabulary)?,
        "" => return Err(Error::Tokenizer("the file has no vocabulary (tokenizer.ggml.model)".into())),
        other => {
            return Err(Error::Unsupported(format!(
                "tokenizer {other:?} (tokenizer.ggml.model); supported are \"gpt2\" (byte-level BPE) and \"llama\" \
                 (SentencePiece BPE)"
            )));
        }
    };
    let model = ModelWrapper::BPE(shape.model);
    let (added, added_ordinary) = added_vocabularies(added, &model, shape.normalizer.as_ref())?;
    Ok(Parts {
        normalizer: shape.normalizer,
        pre_tokenizer: shape.pre_tokenizer,
        model,
        added,
        added_ordinary,
        detokenizer: shape.detokenizer,
        before: bos.filter(|_| add_bos.unwrap_or(shape.begins)).into_iter().collect(),
        after: eos.filter(|_| add_eos.unwrap_or(false)).into_iter().collect(),
        bos,
        eos,
        vocab: count,
    })
}

/// The number of tokens, when the arrays fit each other.
fn check(vocabulary: &Vocabulary) -> Result<u32> {
    let count = vocabulary.tokens.len();
    for (name, values) in [("scores", vocabulary.scores.len()), ("token_type", vocabulary.kinds.len())] {
        if values != 0 && values != count {
            return Err(Error::File(format!("tokenizer.ggml.{name} has {values} values for {count} tokens")));
        }
    }
    u32::try_from(count).map_err(|_| Error::File(format!("the vocabulary has {count} tokens, more than ids can count")))
}

/// The kind of a token. A file without kinds leaves only the text to go by.
fn kind(vocabulary: &Vocabulary, id: usize) -> Kind {
    match vocabulary.kinds.get(id) {
        Some(number) => Kind::from_number(*number).unwrap_or(Kind::Normal),
        None if vocabulary.unk == Some(id as u32) && vocabulary.model == "llama" => Kind::Unknown,
        None if vocabulary.model == "llama" && fallback_byte(&vocabulary.tokens[id]).is_some() => Kind::Byte,
        None if [vocabulary.bos, vocabulary.eos, vocabulary.eot, vocabulary.eom].contains(&Some(id as u32)) => {
            Kind::Control
        }
        None => Kind::Normal,
    }
}

/// The tokens that are found in a text before anything else: those that steer the model, and ordinary ones that a user
/// added.
fn added_tokens(vocabulary: &Vocabulary) -> Vec<AddedToken> {
    let token = |(id, text): (usize, &String)| match kind(vocabulary, id) {
        Kind::Control | Kind::Unknown => Some(AddedToken::from(text.clone(), true)),
        Kind::UserDefined => Some(AddedToken::from(text.clone(), false).normalized(false)),
        Kind::Normal | Kind::Unused | Kind::Byte => None,
    };
    vocabulary.tokens.iter().enumerate().filter_map(token).collect()
}

/// Byte-level BPE, as GPT-2 began it.
fn byte_level(vocabulary: Vocabulary) -> Result<Shape> {
    let pre = pre::find(vocabulary.pre.as_deref())?;
    let mut merges = Merges::with_capacity(vocabulary.merges.len());
    for (place, mut left) in vocabulary.merges.into_iter().enumerate() {
        let Some(space) = left.find(' ') else {
            return Err(Error::File(format!(
                "tokenizer.ggml.merges: {left:?} (merge {place}) has no space between two tokens"
            )));
        };
        let right = left.split_off(space + 1);
        left.truncate(space);
        merges.push((left, right));
    }
    let rules = Rules { ignore_merges: Some(pre.whole_words), ..Rules::default() };
    Ok(Shape {
        normalizer: pre.composes.then_some(NormalizerWrapper::NFC(NFC)),
        pre_tokenizer: Some(pre.pre_tokenizer()?),
        model: bpe::build(by_text(vocabulary.tokens)?, merges, rules)?,
        detokenizer: Detokenizer::ByteLevel,
        begins: pre.begins,
    })
}

/// SentencePiece's BPE, as Llama began it: a space before the text, `▁` for spaces, no words, bytes for what is unknown.
fn sentencepiece(vocabulary: Vocabulary) -> Result<Shape> {
    let space_prefix = vocabulary.add_space_prefix.unwrap_or(true);
    let replace = Replace::new(" ", "▁").map_err(|error| Error::Tokenizer(error.to_string()))?;
    let mut steps = vec![NormalizerWrapper::Replace(replace)];
    if space_prefix {
        steps.insert(0, NormalizerWrapper::Prepend(Prepend::new("▁".into())));
    }
    let is_text = |id| matches!(kind(&vocabulary, id), Kind::Normal | Kind::UserDefined);
    let ordinary: Vec<bool> = (0..vocabulary.tokens.len()).map(is_text).collect();
    let unknown = vocabulary.unk.and_then(|id| vocabulary.tokens.get(id as usize)).cloned();
    let vocab = by_text(vocabulary.tokens)?;
    let merges = merges_by_score(&vocab, &vocabulary.scores, &ordinary);
    let rules = Rules { unk_token: unknown, fuse_unk: Some(true), byte_fallback: Some(true), ..Rules::default() };
    Ok(Shape {
        normalizer: Some(NormalizerWrapper::Sequence(Sequence::new(steps))),
        pre_tokenizer: None,
        model: bpe::build(vocab, merges, rules)?,
        detokenizer: Detokenizer::Pieces(Pieces::sentencepiece(space_prefix)),
        begins: true,
    })
}

/// Ids by text. An empty token has no text to be found by; the same text twice is damage.
fn by_text(tokens: Vec<String>) -> Result<Vocab> {
    let mut vocab = Vocab::with_capacity(tokens.len());
    for (text, id) in tokens.into_iter().zip(0..).filter(|(text, _)| !text.is_empty()) {
        if let Some(first) = vocab.get(&text) {
            return Err(Error::File(format!("tokenizer.ggml.tokens: tokens {first} and {id} are both {text:?}")));
        }
        vocab.insert(text, id);
    }
    Ok(vocab)
}

/// SentencePiece merges the neighbours whose union has the highest score. As a list of merges, best first, that is each
/// way to cut a token into two, by the token's score; among equals longer first parts go first, as `transformers` has it.
fn merges_by_score(vocab: &Vocab, scores: &[f32], ordinary: &[bool]) -> Merges {
    let id = |text: &str| vocab.get(text).filter(|id| ordinary[**id as usize]);
    let score = |id: u32| scores.get(id as usize).copied().unwrap_or(0.0);
    let mut cuts = Vec::new();
    for (text, whole) in vocab.iter().filter(|(_, id)| ordinary[**id as usize]) {
        for (place, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(place);
            if id(left).is_some() && id(right).is_some() {
                cuts.push((score(*whole), *whole, left, right));
            }
        }
    }
    cuts.sort_unstable_by(|a, b| {
        let longer = |a: &str, b: &str| b.chars().count().cmp(&a.chars().count());
        b.0.total_cmp(&a.0).then(longer(a.2, b.2)).then(longer(a.3, b.3)).then(a.1.cmp(&b.1))
    });
    cuts.into_iter().map(|(_, _, left, right)| (left.to_string(), right.to_string())).collect()
}

#[cfg(test)]
mod tests;
