//! Token ids, one after another -> text, as soon as it is final.

use super::detokenizer::{Detokenizer, byte_level_bytes};
use super::{Parts, Tokenizer};
use std::sync::Arc;

/// Turns tokens into text as they come. What [`push`](TextStream::push) and [`finish`](TextStream::finish) give makes up
/// the text of all tokens, as [`Tokenizer::decode`] has it, and never holds half a character. Special tokens are left out.
#[derive(Debug, Clone)]
pub struct TextStream {
    parts: Arc<Parts>,
    with_special: bool,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Bytes that are not text yet, and how many spaces may still be dropped at the front of the text.
    Bytes { pending: Vec<u8>, leading_spaces: usize },
    /// All tokens so far, where their decoder looks at more than one, and how many bytes of their text were given out.
    Whole { tokens: Vec<String>, given: usize },
}

impl TextStream {
    /// A stream that begins a text.
    pub fn new(tokenizer: &Tokenizer) -> TextStream {
        let state = match &tokenizer.parts.detokenizer {
            Detokenizer::ByteLevel => State::Bytes { pending: Vec::new(), leading_spaces: 0 },
            Detokenizer::Pieces(pieces) => State::Bytes { pending: Vec::new(), leading_spaces: pieces.leading_spaces },
            Detokenizer::Whole(_) => State::Whole { tokens: Vec::new(), given: 0 },
        };
        TextStream { parts: tokenizer.parts.clone(), with_special: false, state }
    }

    /// A stream that goes on after `prompt`: it gives what the text of the prompt and all that follows has more than that
    /// of the prompt. With SentencePiece vocabularies the first word keeps its space.
    pub fn after(tokenizer: &Tokenizer, prompt: &[u32]) -> TextStream {
        let mut stream = TextStream::new(tokenizer);
        for id in prompt {
            stream.take(*id);
        }
        stream.text(false);
        stream
    }

    /// A stream in the middle of a text: what begins a word there keeps its space.
    pub(super) fn amid(tokenizer: &Tokenizer) -> TextStream {
        let mut stream = TextStream::new(tokenizer);
        if let State::Bytes { leading_spaces, .. } = &mut stream.state {
            *leading_spaces = 0;
        }
        stream
    }

    /// The same stream with the text of special tokens.
    #[must_use]
    pub fn with_special(self) -> TextStream {
        TextStream { with_special: true, ..self }
    }

    /// The text that is final now that `id` follows; often empty, for a character may be spread over several tokens.
    pub fn push(&mut self, id: u32) -> String {
        self.take(id);
        self.text(false)
    }

    /// What is left when no token follows: bytes that never became a character show as U+FFFD.
    pub fn finish(mut self) -> String {
        self.text(true)
    }

    fn take(&mut self, id: u32) {
        let hidden = !self.with_special && self.parts.is_special(id);
        let Some(token) = self.parts.token_text(id).filter(|_| !hidden) else { return };
        match &mut self.state {
            State::Whole { tokens, .. } => tokens.push(token),
            State::Bytes { pending, leading_spaces } => {
                let before = pending.len();
                match &self.parts.detokenizer {
                    Detokenizer::Pieces(pieces) => pieces.bytes(&token, pending),
                    _ => byte_level_bytes(&token, pending),
                }
                if *leading_spaces > 0 {
                    strip_front(pending, before, leading_spaces);
                }
            }
        }
    }

    fn text(&mut self, last: bool) -> String {
        match (&mut self.state, &self.parts.detokenizer) {
            (State::Whole { tokens, given }, Detokenizer::Whole(decoder)) => {
                let text = Detokenizer::whole(decoder.as_ref(), tokens);
                // U+FFFD at the end may be a character of which more is to come.
                let end = if last { text.len() } else { text.trim_end_matches('\u{FFFD}').len() };
                let new = text.get(*given..end).unwrap_or_default().to_string();
                *given += new.len();
                new
            }
            (State::Bytes { pending, .. }, Detokenizer::Pieces(_)) => take_text(pending, last, |bytes| bytes),
            (State::Bytes { pending, .. }, _) => take_text(pending, last, |_| 1),
            (State::Whole { .. }, _) => String::new(),
        }
    }
}

/// Drops up to `spaces` spaces at `start`, where the text begins; once anything else stands there, none are dropped.
fn strip_front(bytes: &mut Vec<u8>, start: usize, spaces: &mut usize) {
    let found = bytes[start..].iter().take(*spaces).take_while(|byte| **byte == b' ').count();
    bytes.drain(start..start + found);
    *spaces -= found;
    if bytes.len() > start {
        *spaces = 0;
    }
}

/// Takes the text off the front of `pending`; what may yet become a character stays, unless these are the `last` bytes.
/// In place of bytes that can't be text stand as many U+FFFD as `marks` says for so many bytes: byte-level decoders put
/// one for each broken character, SentencePiece one for each byte.
fn take_text(pending: &mut Vec<u8>, last: bool, marks: impl Fn(usize) -> usize) -> String {
    let mut text = String::new();
    let mut rest = &pending[..];
    loop {
        let (valid, broken) = match std::str::from_utf8(rest) {
            Ok(valid) => (valid, None),
            Err(error) => {
                let valid = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
                (valid, Some(error.error_len()))
            }
        };
        text += valid;
        rest = &rest[valid.len()..];
        let broken = match broken {
            Some(Some(length)) => length,
            Some(None) if last => rest.len(),
            _ => break,
        };
        text.extend(std::iter::repeat_n('\u{FFFD}', marks(broken)));
        rest = &rest[broken..];
    }
    let taken = pending.len() - rest.len();
    pending.drain(..taken);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_until_they_are_characters() {
        let mut pending = Vec::new();
        let mut feed = |bytes: &[u8], last| {
            pending.extend_from_slice(bytes);
            take_text(&mut pending, last, |_| 1)
        };
        assert_eq!(feed(b"a\xE2", false), "a");
        assert_eq!(feed(b"\x82", false), "");
        assert_eq!(feed(b"\xACb", false), "€b");
        assert_eq!(feed(b"\xE2\x82x", false), "\u{FFFD}x");
        assert_eq!(feed(b"\xFF\xF0\x9F\x98", false), "\u{FFFD}");
        assert_eq!(feed(b"", true), "\u{FFFD}");
    }

    #[test]
    fn broken_bytes_are_marked_as_the_standard_library_marks_them() {
        for bytes in [&b"\xE2\x82\xE2\x82\xAC"[..], b"\xF0\x9F\x92\xF0", b"\x80\x80a\xC0\xAF", b"\xED\xA0\x80"] {
            let whole = take_text(&mut bytes.to_vec(), true, |_| 1);
            assert_eq!(whole, String::from_utf8_lossy(bytes));
        }
        assert_eq!(
            take_text(&mut b"\xE2\x82a\xF0\x9F\x98".to_vec(), true, |n| n),
            "\u{FFFD}\u{FFFD}a\u{FFFD}\u{FFFD}\u{FFFD}"
        );
    }

    #[test]
    fn only_the_front_of_a_text_loses_its_space() {
        let (mut bytes, mut spaces) = (Vec::new(), 2);
        for (token, expected) in [("", 2), (" ", 1), ("  a", 0), (" b", 0)] {
            let start = bytes.len();
            bytes.extend_from_slice(token.as_bytes());
            if spaces > 0 {
                strip_front(&mut bytes, start, &mut spaces);
            }
            assert_eq!(spaces, expected);
        }
        assert_eq!(bytes, b" a b");
    }
}
