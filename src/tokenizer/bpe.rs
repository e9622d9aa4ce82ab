//! Token texts and merges -> the `tokenizers` crate's BPE model, checked so that building it cannot fail half-way.

use crate::{Error, Result};
use std::collections::HashSet;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

/// How a BPE model treats what is at the edges of its vocabulary; the names are those of `tokenizer.json`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Rules {
    /// The token for a character that the vocabulary lacks.
    pub unk_token: Option<String>,
    /// What every token but a word's first begins with.
    pub continuing_subword_prefix: Option<String>,
    /// What a word's last token ends with.
    pub end_of_word_suffix: Option<String>,
    /// Whether several unknown characters in a row become one unknown token.
    pub fuse_unk: Option<bool>,
    /// Whether a character that the vocabulary lacks is spelt in tokens such as `<0xE2>`.
    pub byte_fallback: Option<bool>,
    /// Whether a word that is a token is never put together from merges.
    pub ignore_merges: Option<bool>,
}

/// Builds the model. Fails with the token or merge that makes it impossible.
pub fn build(vocab: Vocab, merges: Merges, rules: Rules) -> Result<BPE> {
    check_ids(&vocab)?;
    let prefix = rules.continuing_subword_prefix.as_deref().unwrap_or("");
    for (place, (left, right)) in merges.iter().enumerate() {
        check_merge(&vocab, left, right, prefix).map_err(|error| error.at(format!("merge {place}")))?;
    }
    if let Some(unknown) = &rules.unk_token
        && !vocab.contains_key(unknown)
    {
        return Err(Error::Tokenizer(format!("the unknown token {unknown:?} is not in the vocabulary")));
    }
    // The crate's cache of words lives as long as the thread, whatever becomes of the model; a prompt needs none.
    let mut builder = BPE::builder().vocab_and_merges(vocab, merges).cache_capacity(0);
    if let Some(token) = rules.unk_token {
        builder = builder.unk_token(token);
    }
    // An empty one is the same as none, and spares a copy of each character.
    if let Some(prefix) = rules.continuing_subword_prefix.filter(|prefix| !prefix.is_empty()) {
        builder = builder.continuing_subword_prefix(prefix);
    }
    if let Some(suffix) = rules.end_of_word_suffix.filter(|suffix| !suffix.is_empty()) {
        builder = builder.end_of_word_suffix(suffix);
    }
    builder
        .fuse_unk(rules.fuse_unk.unwrap_or(false))
        .byte_fallback(rules.byte_fallback.unwrap_or(false))
        .ignore_merges(rules.ignore_merges.unwrap_or(false))
        .build()
        .map_err(|error| Error::Tokenizer(format!("the vocabulary is unusable: {error}")))
}

/// Two tokens with one id would make it a matter of chance what the id decodes to.
fn check_ids(vocab: &Vocab) -> Result<()> {
    let mut seen = HashSet::with_capacity(vocab.len());
    match vocab.iter().find(|(_, id)| !seen.insert(**id)) {
        None => Ok(()),
        Some((text, id)) => Err(Error::Tokenizer(format!("token {text:?} has the id {id}, which is another token's"))),
    }
}

/// The crate takes for granted that the parts and what they make are tokens, and that the second part has the prefix.
fn check_merge(vocab: &Vocab, left: &str, right: &str, prefix: &str) -> Result<()> {
    let absent = |token: &str| Error::Tokenizer(format!("{left:?} and {right:?}: {token:?} is not in the vocabulary"));
    let Some(rest) = right.strip_prefix(prefix) else {
        return Err(Error::Tokenizer(format!("{left:?} and {right:?}: the second lacks the prefix {prefix:?}")));
    };
    let whole = [left, rest].concat();
    match [left, right, &whole].into_iter().find(|token| !vocab.contains_key(*token)) {
        None => Ok(()),
        Some(token) => Err(absent(token)),
    }
}
