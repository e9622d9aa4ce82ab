//! Text -> token ids, and token ids -> text, whole or as a stream.
//!
//! A tokenizer comes from `tokenizer.json` or from a GGUF file's own vocabulary. Either way the same parts result and do
//! the work: the `tokenizers` crate normalises, cuts and merges; what turns ids back into text is our own, so that a
//! stream and the whole always agree.

mod around;
mod bpe;
mod detokenizer;
mod ends;
mod from_gguf;
mod json;
mod pre;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use stop::{Emitted, StopStrings};
pub use stream::TextStream;
pub use vocabulary::{Kind, Vocabulary};

use crate::{Error, Result};
use detokenizer::Detokenizer;
use serde_json::Value;
use std::sync::Arc;
use tokenizers::{
    AddedToken, AddedVocabulary, Model, ModelWrapper, NormalizerWrapper, OffsetType, PreTokenizer, PreTokenizerWrapper,
};

/// Turns text into the token ids of one model and back. A clone is cheap and shares everything that is large.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    parts: Arc<Parts>,
    end_tokens: Vec<u32>,
}

/// What [`Tokenizer::encode`] does about special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// Whether the tokens are added that the model expects around a text, such as the one that begins it.
    pub add: bool,
    /// Whether a special token that is written out in the text becomes that token. If not, it is text like any other.
    pub recognise: bool,
}

impl Special {
    /// For a prompt as it is typed: special tokens are added and recognised.
    pub const PROMPT: Special = Special { add: true, recognise: true };
    /// For what a chat template rendered, which has written out the special tokens that it wants.
    pub const CHAT: Special = Special { add: false, recognise: true };
    /// For text that must stay text, whatever is written there.
    pub const NONE: Special = Special { add: false, recognise: false };
}

/// What a tokenizer is made of, whatever file it comes from.
#[derive(Debug)]
struct Parts {
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    model: ModelWrapper,
    /// The tokens that are found in a text before anything else is.
    added: AddedVocabulary,
    /// The same without the special ones.
    added_ordinary: AddedVocabulary,
    detokenizer: Detokenizer,
    /// The special tokens that go before a text and after it.
    before: Vec<u32>,
    after: Vec<u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    /// One more than the highest id.
    vocab: u32,
}

impl Tokenizer {
    /// Reads `tokenizer.json`; `config` is `tokenizer_config.json`, which names the tokens that begin and end a text.
    ///
    /// Fails if it is no such file, or if its parts contradict each other; truncation and padding are not done.
    pub fn from_json(tokenizer_json: &[u8], config: Option<&Value>) -> Result<Tokenizer> {
        json::parts(tokenizer_json, config).map(Tokenizer::new)
    }

    /// Takes a GGUF file's own vocabulary: byte-level BPE (`gpt2`) or SentencePiece's BPE (`llama`).
    ///
    /// Fails if the kind of tokenizer or its way of cutting words is not supported, naming those that are, or if the
    /// vocabulary contradicts itself.
    pub fn from_gguf(vocabulary: Vocabulary) -> Result<Tokenizer> {
        let ends = [vocabulary.eot, vocabulary.eom];
        let mut tokenizer = Tokenizer::new(from_gguf::parts(vocabulary)?);
        let known: Vec<u32> = ends.into_iter().flatten().filter(|id| *id < tokenizer.vocab()).collect();
        tokenizer.add_end_tokens(&known);
        Ok(tokenizer)
    }

    fn new(parts: Parts) -> Tokenizer {
        let end_tokens = ends::end_tokens(&parts);
        Tokenizer { parts: Arc::new(parts), end_tokens }
    }

    /// The ids of `text`'s tokens. Text that the vocabulary cannot spell becomes its unknown token, or nothing if it has
    /// none.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let parts = &*self.parts;
        let added = if special.recognise { &parts.added } else { &parts.added_ordinary };
        let failed = |error: tokenizers::Error| Error::Tokenizer(format!("the text could not be tokenised: {error}"));
        let mut pieces = added.extract_and_normalize(parts.normalizer.as_ref(), text);
        if let Some(pre_tokenizer) = &parts.pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut pieces).map_err(failed)?;
        }
        pieces.tokenize(|piece| parts.model.tokenize(piece.get())).map_err(failed)?;
        let encoding = pieces.into_encoding(None, 0, OffsetType::None).map_err(failed)?;
        if !special.add {
            return Ok(encoding.get_ids().to_vec());
        }
        Ok([&parts.before, encoding.get_ids(), &parts.after].concat())
    }

    /// The text of `ids`; with `skip_special`, without that of special tokens. An id beyond the vocabulary has no text
    /// (a model's logits may be wider than its vocabulary), and bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut stream = TextStream::new(self);
        if !skip_special {
            stream = stream.with_special();
        }
        let mut text: String = ids.iter().map(|id| stream.push(*id)).collect();
        text += &stream.finish();
        text
    }

    /// What a token adds in the middle of a text, a special one included; bytes that are no whole character show as U+FFFD.
    pub fn piece(&self, id: u32) -> String {
        let mut stream = TextStream::amid(self).with_special();
        let text = stream.push(id);
        text + &stream.finish()
    }

    /// One more than the highest id.
    pub fn vocab(&self) -> u32 {
        self.parts.vocab
    }

    /// The token as the vocabulary writes it (`Ġthe`, `▁the`, `<0x0A>`), or nothing for an id that it lacks.
    pub fn token_text(&self, id: u32) -> Option<String> {
        self.parts.token_text(id)
    }

    /// The id of the token that the vocabulary writes so.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.parts.added.token_to_id(text, &self.parts.model)
    }

    /// Whether `id` steers the model and is not shown.
    pub fn is_special(&self, id: u32) -> bool {
        self.parts.is_special(id)
    }

    /// The token that begins a text, if the model has one. Whether `encode` adds it is another matter.
    pub fn bos(&self) -> Option<u32> {
        self.parts.bos
    }

    /// The token that ends a text, if the model names one.
    pub fn eos(&self) -> Option<u32> {
        self.parts.eos
    }

    /// The tokens that end a generation, in rising order: the end of the text and of a turn of a chat.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// Adds to the tokens that end a generation, as `generation_config.json` may.
    pub fn add_end_tokens(&mut self, ids: &[u32]) {
        self.end_tokens.extend(ids);
        self.end_tokens.sort_unstable();
        self.end_tokens.dedup();
    }
}

impl Parts {
    fn token_text(&self, id: u32) -> Option<String> {
        self.added.simple_id_to_token(id).or_else(|| self.model.id_to_token(id))
    }

    fn added_token(&self, id: u32) -> Option<&AddedToken> {
        self.added.get_added_tokens_decoder().get(&id)
    }

    fn is_special(&self, id: u32) -> bool {
        self.added_token(id).is_some_and(|token| token.special)
    }
}

/// The vocabulary of added tokens that finds `tokens` in a text, and the one that leaves special tokens in it alone.
fn added_vocabularies(
    tokens: Vec<AddedToken>,
    model: &ModelWrapper,
    normalizer: Option<&NormalizerWrapper>,
) -> Result<(AddedVocabulary, AddedVocabulary)> {
    let mut added = AddedVocabulary::new();
    added
        .add_tokens(tokens, model, normalizer)
        .map_err(|error| Error::Tokenizer(format!("the added tokens are unusable: {error}")))?;
    let mut ordinary = added.clone();
    ordinary.set_encode_special_tokens(true);
    Ok((added, ordinary))
}
