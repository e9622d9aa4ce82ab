//! The name in `tokenizer.ggml.pre` -> how a byte-level tokenizer cuts text into words before it merges.
//!
//! The names are llama.cpp's; each stands for the `pre_tokenizer` of some model's `tokenizer.json`. A pattern cuts out what
//! it matches and leaves what lies between as pieces of their own; the next pattern goes on with all of the pieces.

mod patterns;

use crate::{Error, Result};
use patterns::*;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

/// How one kind of byte-level tokenizer treats text.
#[derive(Debug)]
pub struct Pre {
    /// The names that stand for it.
    pub names: &'static [&'static str],
    /// The patterns, each applied to the pieces that the one before left.
    patterns: &'static [&'static str],
    /// Whether characters are composed first (Unicode's NFC).
    pub composes: bool,
    /// Whether a word that is a token is never put together from merges.
    pub whole_words: bool,
    /// Whether a text begins with `bos` where the file does not say.
    pub begins: bool,
}

impl Pre {
    const fn new(names: &'static [&'static str], patterns: &'static [&'static str]) -> Pre {
        Pre { names, patterns, composes: false, whole_words: false, begins: false }
    }

    const fn composing(self) -> Pre {
        Pre { composes: true, ..self }
    }

    const fn whole_words(self) -> Pre {
        Pre { whole_words: true, ..self }
    }

    const fn beginning(self) -> Pre {
        Pre { begins: true, ..self }
    }
}

/// The kinds that are supported. What is not here is for models that Oriel does not run.
const KINDS: &[Pre] = &[
    Pre::new(&["default"], &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
    Pre::new(&["gpt-2", "phi-2", "jais", "exaone4", "gigachat", "a.x-4.0", "mellum", "trillion"], &[GPT2]),
    Pre::new(&["mpt", "olmo"], &[GPT2]).composing(),
    Pre::new(&["starcoder", "refact", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"], &[r"\p{N}", GPT2]),
    Pre::new(&["command-r"], &[r"\p{N}", GPT2]).composing(),
    Pre::new(&["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"], &[LLAMA3])
        .whole_words()
        .beginning(),
    Pre::new(&["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], &[LLAMA3]),
    Pre::new(&["qwen2"], &[QWEN2]).composing(),
    Pre::new(&["deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"], &[QWEN2]),
    Pre::new(&["qwen35"], &[QWEN35]).composing(),
    Pre::new(&["seed-coder"], &[SEED_CODER]),
    Pre::new(&["tekken"], &[TEKKEN]).whole_words().beginning(),
    Pre::new(&["gpt-4o", "llama4", "kanana2", "minimax-m2"], &[GPT4O]),
    Pre::new(
        &["deepseek-llm"],
        &[
            "[\r\n]",
            DEEPSEEK_LETTERS,
            r"\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+",
            r"\s+$",
            DEEPSEEK_HAN,
            r"\p{N}+",
        ],
    ),
    Pre::new(&["deepseek-coder"], &["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_HAN, r"\p{N}"]),
    Pre::new(&["deepseek-v3", "hunyuan-dense", "joyai-llm"], &[r"\p{N}{1,3}", DEEPSEEK3_HAN, DEEPSEEK3]),
    Pre::new(&["falcon"], &[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
    Pre::new(&["bloom", "poro-chat", "gpt3-finnish"], &[BLOOM]),
    Pre::new(&["viking"], &[BLOOM, r"\p{N}"]),
];

/// The kind of this name; a file that names none means `default`. Fails with the names that are supported.
pub fn find(name: Option<&str>) -> Result<&'static Pre> {
    let name = name.unwrap_or("default");
    KINDS.iter().find(|kind| kind.names.contains(&name)).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().flat_map(|kind| kind.names).copied().collect();
        Error::Unsupported(format!("pre-tokenizer {name:?} (tokenizer.ggml.pre); supported are {}", names.join(", ")))
    })
}

impl Pre {
    /// Cuts by the patterns and writes the pieces in the byte-level alphabet.
    pub fn pre_tokenizer(&self) -> Result<PreTokenizerWrapper> {
        let mut steps = Vec::new();
        for pattern in self.patterns {
            let pattern = SplitPattern::Regex((*pattern).to_string());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|error| Error::Tokenizer(format!("pre-tokenizer {:?}: {error}", self.names[0])))?;
            steps.push(PreTokenizerWrapper::Split(split));
        }
        steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)));
        Ok(PreTokenizerWrapper::Sequence(Sequence::new(steps)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    fn pieces(name: &str, text: &str) -> Vec<String> {
        cut(&find(Some(name)).unwrap().pre_tokenizer().unwrap(), text)
    }

    fn cut(pre_tokenizer: &PreTokenizerWrapper, text: &str) -> Vec<String> {
        let mut pieces = PreTokenizedString::from(text);
        pre_tokenizer.pre_tokenize(&mut pieces).unwrap();
        let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.iter().map(|(_, (start, end), _)| text[*start..*end].to_string()).collect()
    }

    #[test]
    fn every_kind_cuts_without_losing_anything() {
        let text = " It's 12345 ÅNGSTRÖM'S\r\n\n  naïve«…»  東京タワー e\u{301} \t😀x\u{3000} ";
        for kind in KINDS {
            assert_eq!(pieces(kind.names[0], text).concat(), text, "{:?}", kind.names);
        }
    }

    #[test]
    fn kinds_cut_as_their_models_do() {
        let cases: [(&str, &str, &[&str]); 12] = [
            ("gpt-2", "It's 1234  X'S", &["It", "'s", " 1234", " ", " X", "'", "S"]),
            ("smollm", "a 123", &["a", " ", "1", "2", "3"]),
            ("llama-bpe", "It'S 1234.\n\n x", &["It", "'S", " ", "123", "4", ".\n\n", " x"]),
            ("qwen2", "(abc) 12", &["(abc", ")", " ", "1", "2"]),
            ("tekken", "camelCase/\n", &["camel", "Case", "/\n"]),
            ("gpt-4o", "Don'T 1234", &["Don'T", " ", "123", "4"]),
            ("deepseek-v3", "x1234東京.foo", &["x", "123", "4", "東京", ".foo"]),
            ("deepseek-coder", "ab 12,", &["ab", " ", "1", "2", ","]),
            ("deepseek-llm", "ab 12\n", &["ab", " ", "12", "\n"]),
            ("default", "a+12345", &["a", "+", "123", "45"]),
            ("falcon", "a`12345", &["a", "`", "123", "45"]),
            ("viking", "ab, 12", &["ab", ",", " ", "1", "2"]),
        ];
        for (name, text, expected) in cases {
            assert_eq!(pieces(name, text), expected, "{name}");
        }
    }

    /// What Python's `regex` finds, made by tests/golden/tokens.py: the lengths of the pieces in characters.
    #[test]
    fn kinds_cut_as_another_regex_engine_does() {
        let texts: Vec<String> = serde_json::from_str(include_str!("../../tests/golden/tokens/texts.json")).unwrap();
        let kinds: HashMap<String, Vec<Vec<usize>>> =
            serde_json::from_str(include_str!("../../tests/golden/tokens/pre.json")).unwrap();
        for (name, rows) in kinds {
            assert_eq!(rows.len(), texts.len());
            let pre_tokenizer = find(Some(&name)).unwrap().pre_tokenizer().unwrap();
            for (text, expected) in texts.iter().zip(rows) {
                let pieces = cut(&pre_tokenizer, text);
                let lengths: Vec<usize> = pieces.iter().map(|piece| piece.chars().count()).collect();
                assert_eq!(lengths, expected, "{name}: {text:?} as {pieces:?}");
            }
        }
    }

    #[test]
    fn names_are_unique_and_others_are_refused_with_the_list() {
        let mut names: Vec<&str> = KINDS.iter().flat_map(|kind| kind.names).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(find(None).unwrap().names, ["default"]);
        let error = find(Some("klingon")).unwrap_err();
        assert_eq!(error.code(), "unsupported");
        assert!(error.to_string().contains("klingon") && error.to_string().contains("llama-bpe"), "{error}");
    }
}
