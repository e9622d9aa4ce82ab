//! Small vocabularies as GGUF files hold them, what they make of text, and what damaged ones come to.

use super::*;
use crate::tokenizer::{Special, TextStream, Tokenizer};
use proptest::prelude::*;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// Byte-level: a few letters and their merges, a token that steers, one of a user's.
fn gpt2() -> Vocabulary {
    let tokens = ["<|endoftext|>", "<|im_end|>", "[tool]", "a", "b", "c", "Ġ", "1", "ab", "Ġab", "Ã", "©", "Ã©", "abc"];
    let kinds = [3, 3, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    Vocabulary {
        model: "gpt2".into(),
        pre: Some("gpt-2".into()),
        tokens: strings(&tokens),
        kinds: kinds.to_vec(),
        merges: strings(&["a b", "Ġ ab", "Ã ©"]),
        bos: Some(0),
        eos: Some(0),
        ..Vocabulary::default()
    }
}

/// SentencePiece: the bytes, some pieces and their scores.
fn llama() -> Vocabulary {
    let mut tokens = strings(&["<unk>", "<s>", "</s>"]);
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    let mut kinds = [vec![2, 3, 3], vec![6; 256]].concat();
    let mut scores = vec![0.0; 259];
    let pieces =
        [("▁a", -1.0), ("ab", -2.0), ("▁ab", -3.0), ("aa", -4.0), ("▁", -5.0), ("a", -6.0), ("b", -7.0), ("é", -8.0)];
    for (piece, score) in pieces {
        tokens.push(piece.to_string());
        kinds.push(1);
        scores.push(score);
    }
    tokens.push("<|user|>".into());
    kinds.push(4);
    scores.push(0.0);
    Vocabulary { model: "llama".into(), tokens, kinds, scores, ..Vocabulary::default() }
}

fn spelt(tokenizer: &Tokenizer, text: &str, special: Special) -> Vec<String> {
    let ids = tokenizer.encode(text, special).unwrap();
    ids.iter().map(|id| tokenizer.token_text(*id).unwrap()).collect()
}

fn refused(vocabulary: Vocabulary) -> (&'static str, String) {
    let error = Tokenizer::from_gguf(vocabulary).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn byte_level_vocabularies_merge_and_drop_what_they_cannot_spell() {
    let tokenizer = Tokenizer::from_gguf(gpt2()).unwrap();
    assert_eq!(spelt(&tokenizer, "ab ab\u{e9}z", Special::PROMPT), ["ab", "Ġab", "Ã©"]);
    assert_eq!(spelt(&tokenizer, "a<|im_end|>[tool]", Special::CHAT), ["a", "<|im_end|>", "[tool]"]);
    assert_eq!(spelt(&tokenizer, "a<|im_end|>[tool]", Special::NONE), ["a", "[tool]"]);
    assert_eq!((tokenizer.vocab(), tokenizer.bos(), tokenizer.eos()), (14, Some(0), Some(0)));
    assert_eq!(tokenizer.end_tokens(), [0, 1]);
    assert!(tokenizer.is_special(1) && !tokenizer.is_special(2));
    assert_eq!(tokenizer.decode(&[0, 8, 9, 12, 2, 1, 99], true), "ab abé[tool]");
}

#[test]
fn the_kind_of_pre_tokenizer_decides_on_words_and_the_beginning() {
    let with = |pre: Option<&str>| {
        let vocabulary = Vocabulary { pre: pre.map(str::to_string), ..gpt2() };
        spelt(&Tokenizer::from_gguf(vocabulary).unwrap(), "abc 11e\u{301}", Special::PROMPT)
    };
    assert_eq!(with(Some("gpt-2")), ["ab", "c", "Ġ", "1", "1"]);
    assert_eq!(with(None), with(Some("gpt-2")));
    assert_eq!(with(Some("llama-bpe")), ["<|endoftext|>", "abc", "Ġ", "1", "1"]);
    assert_eq!(with(Some("qwen2")), ["ab", "c", "Ġ", "1", "1", "Ã©"]);
    assert!(refused(Vocabulary { pre: Some("klingon".into()), ..gpt2() }).1.contains("klingon"));
}

#[test]
fn the_file_decides_what_goes_around_a_text() {
    let around = |vocabulary: Vocabulary| {
        let tokenizer = Tokenizer::from_gguf(vocabulary).unwrap();
        tokenizer.encode("a", Special::PROMPT).unwrap()
    };
    assert_eq!(around(gpt2()), [3]);
    assert_eq!(around(Vocabulary { add_bos: Some(true), add_eos: Some(true), ..gpt2() }), [0, 3, 0]);
    assert_eq!(around(Vocabulary { add_bos: Some(true), bos: None, ..gpt2() }), [3]);
    assert_eq!(around(Vocabulary { add_bos: Some(true), bos: Some(999), ..gpt2() }), [3]);
    assert_eq!(around(llama()), [1, 259]);
    assert_eq!(around(Vocabulary { add_bos: Some(false), ..llama() }), [259]);
}

#[test]
fn sentencepiece_merges_the_best_pair_first() {
    let tokenizer = Tokenizer::from_gguf(llama()).unwrap();
    let spelt = |text| spelt(&tokenizer, text, Special::CHAT);
    // "▁a" is better than "ab", and "▁ab" can still be made of it.
    assert_eq!(spelt("ab"), ["▁ab"]);
    assert_eq!(spelt("aab"), ["▁a", "ab"]);
    assert_eq!(spelt("baaa"), ["▁", "b", "aa", "a"]);
    assert_eq!(spelt("a  é"), ["▁a", "▁", "▁", "é"]);
    assert_eq!(spelt("€"), ["▁", "<0xE2>", "<0x82>", "<0xAC>"]);
    assert_eq!(spelt("a<0x0A>"), ["▁a", "<0x3C>", "<0x30>", "<0x78>", "<0x30>", "<0x41>", "<0x3E>"]);
    assert_eq!(spelt(""), Vec::<String>::new());
}

#[test]
fn sentencepiece_puts_a_space_before_each_text_and_takes_the_first_away() {
    let tokenizer = Tokenizer::from_gguf(llama()).unwrap();
    assert_eq!(
        spelt(&tokenizer, "a</s>b<|user|>a", Special::PROMPT),
        ["<s>", "▁a", "</s>", "▁", "b", "<|user|>", "▁a"]
    );
    let ids = tokenizer.encode("ab €\n", Special::PROMPT).unwrap();
    assert_eq!(tokenizer.decode(&ids, true), "ab €\n");
    assert_eq!(TextStream::after(&tokenizer, &ids).push(261), " ab");
    let bare = Tokenizer::from_gguf(Vocabulary { add_space_prefix: Some(false), ..llama() }).unwrap();
    assert_eq!(spelt(&bare, "ab ab", Special::CHAT), ["ab", "▁ab"]);
    assert_eq!(bare.decode(&[261], true), " ab");
}

#[test]
fn kinds_that_are_left_out_are_guessed() {
    let tokenizer = Tokenizer::from_gguf(Vocabulary { kinds: Vec::new(), ..llama() }).unwrap();
    assert!(tokenizer.is_special(0) && tokenizer.is_special(1) && tokenizer.is_special(2));
    assert_eq!(spelt(&tokenizer, "ab</s>\u{20AC}", Special::CHAT), ["▁ab", "</s>", "▁", "<0xE2>", "<0x82>", "<0xAC>"]);
    let tokenizer = Tokenizer::from_gguf(Vocabulary { kinds: Vec::new(), eot: Some(1), ..gpt2() }).unwrap();
    assert_eq!(tokenizer.end_tokens(), [0, 1]);
    assert_eq!(spelt(&tokenizer, "<|im_end|>", Special::CHAT), ["<|im_end|>"]);
}

#[test]
fn damaged_vocabularies_are_refused() {
    let vocabulary = Vocabulary { merges: strings(&["ab"]), ..gpt2() };
    assert!(refused(vocabulary).1.contains("\"ab\" (merge 0) has no space"));
    let vocabulary = Vocabulary { merges: strings(&["a b", "abc abc"]), ..gpt2() };
    assert!(refused(vocabulary).1.contains("merge 1"));
    let vocabulary = Vocabulary { scores: vec![1.0], ..llama() };
    assert_eq!(refused(vocabulary), ("file-damaged", "tokenizer.ggml.scores has 1 values for 268 tokens".into()));
    let vocabulary = Vocabulary { kinds: vec![1; 3], ..gpt2() };
    assert!(refused(vocabulary).1.contains("token_type has 3 values for 14"));
    let mut twice = gpt2();
    twice.tokens[4] = "a".into();
    assert!(refused(twice).1.contains("tokens 3 and 4 are both \"a\""));
    assert_eq!(refused(Vocabulary::default()).0, "tokenizer");
    let (code, message) = refused(Vocabulary { model: "t5".into(), ..llama() });
    assert!(code == "unsupported" && message.contains("\"t5\"") && message.contains("\"gpt2\""), "{message}");
    let mut empty = gpt2();
    (empty.tokens[4], empty.merges) = (String::new(), Vec::new());
    assert_eq!(Tokenizer::from_gguf(empty).unwrap().token_text(4), None);
}

#[test]
fn scores_that_are_no_numbers_do_no_harm() {
    let mut vocabulary = llama();
    vocabulary.scores[260] = f32::NAN;
    let tokenizer = Tokenizer::from_gguf(vocabulary).unwrap();
    assert_eq!(tokenizer.decode(&tokenizer.encode("aab", Special::PROMPT).unwrap(), true), "aab");
}

proptest! {
    #[test]
    fn any_vocabulary_is_refused_or_usable(
        sentencepiece in any::<bool>(),
        tokens in proptest::collection::vec("[abcĠ▁ é]{0,3}", 0..12),
        merges in proptest::collection::vec("[abcĠ ]{0,5}", 0..6),
        kinds in proptest::collection::vec(0i32..8, 0..12),
        scores in proptest::collection::vec(any::<f32>(), 0..12),
        ids in proptest::collection::vec(proptest::option::of(0u32..14), 4),
    ) {
        let count = tokens.len();
        let fitting = |length: usize| if length < count { 0 } else { count };
        let vocabulary = Vocabulary {
            model: if sentencepiece { "llama" } else { "gpt2" }.into(),
            kinds: kinds[..fitting(kinds.len()).min(kinds.len())].to_vec(),
            scores: scores[..fitting(scores.len()).min(scores.len())].to_vec(),
            tokens,
            merges,
            bos: ids[0],
            eos: ids[1],
            eot: ids[2],
            unk: ids[3],
            add_bos: Some(true),
            add_eos: Some(true),
            ..Vocabulary::default()
        };
        if let Ok(tokenizer) = Tokenizer::from_gguf(vocabulary) {
            let ids = tokenizer.encode("abc ab  cé", Special::PROMPT).unwrap();
            prop_assert!(ids.iter().all(|id| *id < tokenizer.vocab()));
            tokenizer.decode(&ids, false);
        }
    }
}
