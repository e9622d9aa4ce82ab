//! The decoder of a tokenizer -> how a token's text becomes bytes of the text.
//!
//! Byte-level and SentencePiece tokens give their bytes one by one, whatever stands beside them, so that a stream of them
//! can be turned into text as it comes. The few decoders that look at several tokens at once are the crate's to run.

use crate::{Error, Result};
use serde_json::Value;
use tokenizers::{Decoder, DecoderWrapper};

/// How tokens become text.
#[derive(Debug)]
pub enum Detokenizer {
    /// Each character of a token stands for a byte of the text.
    ByteLevel,
    /// Tokens are text, but for a few characters.
    Pieces(Pieces),
    /// What the crate's decoder makes of all tokens together; without one, they are parted by spaces.
    Whole(Option<DecoderWrapper>),
}

/// The rules of SentencePiece tokens.
#[derive(Debug, Default, PartialEq)]
pub struct Pieces {
    /// Texts in tokens and what stands in the text for them, in this order: `▁` and a space.
    pub replace: Vec<(String, String)>,
    /// Whether `<0x0A>` stands for a byte.
    pub byte_fallback: bool,
    /// How many spaces are taken away where a text begins.
    pub leading_spaces: usize,
}

impl Detokenizer {
    /// From the `decoder` of a `tokenizer.json`.
    pub fn new(decoder: Value) -> Result<Detokenizer> {
        if decoder.is_null() {
            return Ok(Detokenizer::Whole(None));
        }
        if decoder["type"] == "ByteLevel" {
            return Ok(Detokenizer::ByteLevel);
        }
        if let Some(pieces) = decoder["decoders"].as_array().and_then(|steps| Pieces::from_steps(steps)) {
            return Ok(Detokenizer::Pieces(pieces));
        }
        if cuts_ends(&decoder) {
            return Err(Error::Unsupported(
                "tokenizer.json: its decoder strips the end of tokens; only the beginning is supported".into(),
            ));
        }
        let wrong = |error| Error::Tokenizer(format!("tokenizer.json: its decoder can't be read: {error}"));
        serde_json::from_value(decoder).map(|decoder| Detokenizer::Whole(Some(decoder))).map_err(wrong)
    }

    /// The text of all of `tokens`, where tokens can't be taken one by one.
    pub fn whole(decoder: Option<&DecoderWrapper>, tokens: &[String]) -> String {
        match decoder {
            // No decoder of the crate fails, though their interface says that they may.
            Some(decoder) => decoder.decode(tokens.to_vec()).unwrap_or_else(|_| tokens.concat()),
            None => tokens.join(" "),
        }
    }
}

impl Pieces {
    /// As Llama's vocabularies have it, with or without the space that is put before a text.
    pub fn sentencepiece(space_prefix: bool) -> Pieces {
        Pieces {
            replace: vec![("▁".into(), " ".into())],
            byte_fallback: true,
            leading_spaces: usize::from(space_prefix),
        }
    }

    /// A sequence of decoders that comes to the same: replacements, byte fallback, fusing, and then, of the whole,
    /// stripping spaces from the front. `None` for any other.
    fn from_steps(steps: &[Value]) -> Option<Pieces> {
        let mut pieces = Pieces::default();
        let mut stage = 0;
        for step in steps {
            let next = match step["type"].as_str()? {
                "Replace" => {
                    let pattern = step["pattern"]["String"].as_str().filter(|pattern| !pattern.is_empty())?;
                    pieces.replace.push((pattern.to_string(), step["content"].as_str()?.to_string()));
                    0
                }
                "ByteFallback" => {
                    pieces.byte_fallback = true;
                    1
                }
                "Fuse" => 2,
                "Strip" if stage == 2 && step["content"] == " " && step["stop"] == 0 => {
                    pieces.leading_spaces = usize::try_from(step["start"].as_u64()?).ok()?;
                    3
                }
                _ => return None,
            };
            if next < stage {
                return None;
            }
            stage = next;
        }
        (stage >= 2).then_some(pieces)
    }

    /// Adds the bytes of a token.
    pub fn bytes(&self, token: &str, bytes: &mut Vec<u8>) {
        if let Some(byte) = self.byte_fallback.then(|| fallback_byte(token)).flatten() {
            bytes.push(byte);
            return;
        }
        let mut text = std::borrow::Cow::Borrowed(token);
        for (pattern, content) in &self.replace {
            if text.contains(pattern.as_str()) {
                text = text.replace(pattern.as_str(), content).into();
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// Adds the bytes of a byte-level token. One that is not written in the alphabet, such as a special token with other
/// characters, is text as it stands.
pub fn byte_level_bytes(token: &str, bytes: &mut Vec<u8>) {
    let before = bytes.len();
    for character in token.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => {
                bytes.truncate(before);
                bytes.extend_from_slice(token.as_bytes());
                return;
            }
        }
    }
}

/// GPT-2's alphabet: printable Latin-1 characters are their own byte; the other bytes, in rising order, are the characters
/// from U+0100 on.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    let byte = match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => code,
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 0x7F,
        0x143 => 0xAD,
        _ => return None,
    };
    Some(byte as u8)
}

/// The byte that a token such as `<0x0A>` stands for.
pub fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let are_digits = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether a `Strip` that takes from the end stands anywhere in `decoder`: the crate panics where a token is shorter.
fn cuts_ends(decoder: &Value) -> bool {
    let here = decoder["type"] == "Strip" && decoder["stop"] != 0;
    here || decoder["decoders"].as_array().is_some_and(|steps| steps.iter().any(cuts_ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokenizers::decoders::byte_level::ByteLevel;

    #[test]
    fn the_alphabet_is_the_crates() {
        let alphabet = ByteLevel::alphabet();
        let mut seen = [false; 256];
        for code in 0..0x400 {
            let character = char::from_u32(code).unwrap();
            assert_eq!(byte_of(character).is_some(), alphabet.contains(&character), "{character}");
            if let Some(byte) = byte_of(character) {
                assert!(!std::mem::replace(&mut seen[usize::from(byte)], true));
                let mut bytes = Vec::new();
                byte_level_bytes(&character.to_string(), &mut bytes);
                assert_eq!(bytes, [byte]);
                if byte.is_ascii() {
                    let text = ByteLevel::default().decode(vec![character.to_string()]).unwrap();
                    assert_eq!(text.as_bytes(), bytes);
                }
            }
        }
        assert_eq!(seen, [true; 256]);
    }

    #[test]
    fn a_token_outside_the_alphabet_is_text() {
        let mut bytes = b"x".to_vec();
        byte_level_bytes("<｜end▁of▁sentence｜>", &mut bytes);
        byte_level_bytes("ĠaÃ©", &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), "x<｜end▁of▁sentence｜> aé");
    }

    #[test]
    fn bytes_are_spelt_in_two_digits() {
        assert_eq!(fallback_byte("<0x0A>"), Some(10));
        assert_eq!(fallback_byte("<0xfe>"), Some(254));
        for other in ["<0x0>", "<0x0AB>", "<0x+1>", "<0xé>", "0x0A", "<0x>"] {
            assert_eq!(fallback_byte(other), None, "{other}");
        }
    }

    #[test]
    fn sequences_of_decoders_are_seen_through() {
        let replace = json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "});
        let (fallback, fuse) = (json!({"type": "ByteFallback"}), json!({"type": "Fuse"}));
        let strip = json!({"type": "Strip", "content": " ", "start": 1, "stop": 0});
        let sequence = |steps: &[&Value]| Detokenizer::new(json!({"type": "Sequence", "decoders": steps})).unwrap();
        let pieces = |steps: &[&Value]| match sequence(steps) {
            Detokenizer::Pieces(pieces) => Some(pieces),
            _ => None,
        };
        assert_eq!(pieces(&[&replace, &fallback, &fuse, &strip]), Some(Pieces::sentencepiece(true)));
        assert_eq!(pieces(&[&replace, &fallback, &fuse]), Some(Pieces::sentencepiece(false)));
        assert_eq!(pieces(&[&fallback, &replace, &fuse]), None);
        assert_eq!(pieces(&[&replace, &strip, &fuse]), None);
        assert!(matches!(Detokenizer::new(json!({"type": "ByteLevel"})).unwrap(), Detokenizer::ByteLevel));
        assert!(matches!(Detokenizer::new(Value::Null).unwrap(), Detokenizer::Whole(None)));
        let cut = json!({"type": "Strip", "content": " ", "start": 0, "stop": 1});
        assert_eq!(Detokenizer::new(json!({"type": "Sequence", "decoders": [cut]})).unwrap_err().code(), "unsupported");
        assert!(Detokenizer::new(json!({"type": "Nonsense"})).is_err());
    }
}
