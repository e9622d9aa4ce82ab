//! Small tokenizers of each shape: what they make of text, what their streams show, and what damaged files come to.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use tokenizers::decoders::byte_level::ByteLevel;

fn added(id: u32, content: &str, special: bool) -> Value {
    json!({"id": id, "content": content, "special": special, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false})
}

fn tokenizer(json: &Value, config: &Value) -> Result<Tokenizer> {
    Tokenizer::from_json(json.to_string().as_bytes(), Some(config))
}

/// Byte-level BPE: the 256 bytes, five merges, a special token and an ordinary added one.
fn byte_level() -> Value {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut tokens: Vec<String> = alphabet.iter().map(char::to_string).collect();
    let merges = [["Ġ", "a"], ["b", "c"], ["Ġa", "bc"], ["ð", "Ł"], ["ðŁ", "ĺ"]];
    tokens.extend(merges.iter().map(|pair| pair.concat()));
    let vocab: Value = tokens.into_iter().zip(0..).map(|(token, id): (String, u32)| (token, json!(id))).collect();
    json!({
        "added_tokens": [added(261, "<|end|>", true), added(262, "[tool]", false), added(270, "<|im_end|>", true)],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    })
}

/// SentencePiece's BPE as Llama's files write it: merges as texts, bytes for what the vocabulary lacks.
fn sentencepiece() -> Value {
    let mut tokens = vec!["<unk>".to_string(), "<s>".into(), "</s>".into()];
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(["▁", "a", "b", "c", "ab", "▁ab", "é"].map(String::from));
    let vocab: Value = tokens.into_iter().zip(0..).map(|(token, id): (String, u32)| (token, json!(id))).collect();
    json!({
        "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "dropout": null,
            "vocab": vocab, "merges": ["a b", "▁ ab"],
        },
    })
}

/// A decoder that looks at its tokens together.
fn word_level() -> Value {
    json!({
        "added_tokens": [added(0, "[UNK]", true)],
        "pre_tokenizer": {"type": "Whitespace"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "to": 1, "be": 2, "##es": 3, ".": 4}, "unk_token": "[UNK]"},
    })
}

fn texts(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|id| tokenizer.token_text(*id).unwrap()).collect()
}

#[test]
fn byte_level_merges_within_words() {
    let tokenizer = tokenizer(&byte_level(), &Value::Null).unwrap();
    let ids = tokenizer.encode("bc abc a\u{1F600}", Special::PROMPT).unwrap();
    assert_eq!(texts(&tokenizer, &ids), ["bc", "Ġabc", "Ġa", "ðŁĺ", "Ģ"]);
    assert_eq!(tokenizer.decode(&ids, true), "bc abc a\u{1F600}");
    assert!(tokenizer.encode("", Special::PROMPT).unwrap().is_empty());
    assert_eq!(tokenizer.vocab(), 271);
}

#[test]
fn special_tokens_in_a_text_are_recognised_only_where_asked() {
    let tokenizer = tokenizer(&byte_level(), &Value::Null).unwrap();
    let text = "a<|end|>[tool]b";
    let ids = tokenizer.encode(text, Special::CHAT).unwrap();
    assert_eq!(texts(&tokenizer, &ids), ["a", "<|end|>", "[tool]", "b"]);
    assert_eq!(tokenizer.decode(&ids, true), "a[tool]b");
    assert_eq!(tokenizer.decode(&ids, false), text);
    assert!(tokenizer.is_special(261) && !tokenizer.is_special(262) && !tokenizer.is_special(999));

    let literal = tokenizer.encode(text, Special::NONE).unwrap();
    assert!(literal.contains(&262) && !literal.contains(&261), "{literal:?}");
    assert_eq!(tokenizer.decode(&literal, true), text);
}

#[test]
fn added_tokens_keep_the_ids_that_the_file_gives_them() {
    let tokenizer = tokenizer(&byte_level(), &Value::Null).unwrap();
    assert_eq!(tokenizer.encode("<|im_end|>", Special::CHAT).unwrap(), [270]);
    assert_eq!(tokenizer.token_text(269), None);
    assert_eq!(tokenizer.decode(&[269, 4_000_000_000, 270], false), "<|im_end|>");
    assert_eq!(tokenizer.end_tokens(), [261, 270]);
}

#[test]
fn the_config_decides_what_is_put_around_a_text() {
    let config = |value: Value| tokenizer(&sentencepiece(), &value).unwrap();
    let around = |tokenizer: &Tokenizer| tokenizer.encode("ab", Special::PROMPT).unwrap();
    let silent = config(Value::Null);
    assert_eq!(around(&silent), [1, 264]);
    assert_eq!((silent.bos(), silent.eos()), (None, None));
    assert_eq!(silent.encode("ab", Special::CHAT).unwrap(), [264]);

    let named = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}});
    assert_eq!((config(named.clone()).bos(), config(named).eos()), (Some(1), Some(2)));
    let both = json!({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "add_eos_token": true});
    assert_eq!(around(&config(both)), [1, 264, 2]);
    let neither = json!({"bos_token": "<s>", "add_bos_token": false, "add_eos_token": false});
    assert_eq!(around(&config(neither)), [264]);
    let unknown = json!({"bos_token": "<nowhere>", "add_bos_token": true});
    assert_eq!(around(&config(unknown)), [1, 264]);
}

#[test]
fn end_tokens_can_be_added() {
    let mut tokenizer = tokenizer(&sentencepiece(), &json!({"eos_token": "</s>"})).unwrap();
    assert_eq!(tokenizer.end_tokens(), [2]);
    tokenizer.add_end_tokens(&[7, 2, 1]);
    assert_eq!(tokenizer.end_tokens(), [1, 2, 7]);
}

#[test]
fn sentencepiece_falls_back_to_bytes_and_gives_back_the_text() {
    let tokenizer = tokenizer(&sentencepiece(), &Value::Null).unwrap();
    let ids = tokenizer.encode("ab  é€", Special::CHAT).unwrap();
    assert_eq!(texts(&tokenizer, &ids), ["▁ab", "▁", "▁", "é", "<0xE2>", "<0x82>", "<0xAC>"]);
    assert_eq!(tokenizer.decode(&ids, true), "ab  é€");
    // A broken character among whole ones: a mark for each of its bytes, the others stay.
    assert_eq!(tokenizer.decode(&[ids[4], ids[5], 263, ids[3]], true), "\u{FFFD}\u{FFFD}abé");
}

#[test]
fn a_stream_after_a_prompt_keeps_the_space_of_its_first_word() {
    let tokenizer = tokenizer(&sentencepiece(), &Value::Null).unwrap();
    let mut fresh = TextStream::new(&tokenizer);
    assert_eq!(fresh.push(264) + &fresh.push(264), "ab ab");
    let mut later = TextStream::after(&tokenizer, &[1, 264]);
    assert_eq!(later.push(264), " ab");
    assert_eq!(later.push(1), "");
    assert_eq!(later.with_special().push(1), "<s>");
}

#[test]
fn a_piece_keeps_its_space_and_shows_what_steers_the_model() {
    let pieces = tokenizer(&sentencepiece(), &Value::Null).unwrap();
    assert_eq!([264, 260, 1, 229, 9999].map(|id| pieces.piece(id)), [" ab", "a", "<s>", "\u{FFFD}", ""]);
    let bytes = tokenizer(&byte_level(), &Value::Null).unwrap();
    assert_eq!([258, 261, 259].map(|id| bytes.piece(id)), [" abc", "<|end|>", "\u{FFFD}"]);
}

#[test]
fn a_stream_holds_back_half_a_character() {
    let tokenizer = tokenizer(&byte_level(), &Value::Null).unwrap();
    let ids = tokenizer.encode("a\u{1F600}!", Special::CHAT).unwrap();
    let mut stream = TextStream::new(&tokenizer);
    let shown: Vec<String> = ids.iter().map(|id| stream.push(*id)).collect();
    assert_eq!(shown, ["a", "", "\u{1F600}", "!"]);
    assert_eq!(stream.push(ids[1]), "");
    assert_eq!(stream.finish(), "\u{FFFD}");
}

#[test]
fn decoders_that_look_at_several_tokens_stream_too() {
    let tokenizer = tokenizer(&word_level(), &Value::Null).unwrap();
    let ids = tokenizer.encode("to be . to", Special::CHAT).unwrap();
    assert_eq!(tokenizer.decode(&ids, true), "to be. to");
    let mut stream = TextStream::after(&tokenizer, &ids[..2]);
    assert_eq!([stream.push(3), stream.push(4)], ["es", "."]);
    assert_eq!(stream.finish(), "");
}

#[test]
fn damaged_files_are_errors() {
    let with = |path: &str, value: Value| {
        let mut json = byte_level();
        *json.pointer_mut(path).unwrap() = value;
        tokenizer(&json, &Value::Null).unwrap_err().to_string()
    };
    // What makes the crate panic: a merge whose product is longer than every token, and is none.
    assert!(with("/model/merges/4", json!(["Ġabc", "Ġabc"])).contains("merge 4"));
    assert!(with("/model/merges/0", json!(["Ġ", "nowhere"])).contains("\"nowhere\" is not in the vocabulary"));
    assert!(with("/model/merges/0", json!("one two three")).contains("model"));
    assert!(with("/model/merges/0", json!(["a"])).contains("model"));
    assert!(with("/model/vocab/bc", json!(0)).contains("another token's"));
    assert!(with("/model/vocab/bc", json!(-1)).contains("model"));
    assert!(with("/pre_tokenizer", json!({"type": "Nonsense"})).contains("pre-tokenizer"));
    assert!(with("/decoder", json!(3)).contains("decoder"));
    assert!(with("/model", json!({"type": "Telepathy"})).contains("model"));
    assert!(Tokenizer::from_json(b"", None).is_err());
    let prefixed =
        json!({"type": "BPE", "continuing_subword_prefix": "##", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]});
    assert!(with("/model", prefixed).contains("lacks the prefix"));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let json = sentencepiece().to_string();
    for end in (0..json.len()).filter(|end| json.is_char_boundary(*end)) {
        assert!(Tokenizer::from_json(&json.as_bytes()[..end], None).is_err(), "cut at {end}");
    }
}

/// What a stream shows of `ids`, portion by portion, each checked to be whole characters by being a `String`.
fn streamed(tokenizer: &Tokenizer, ids: &[u32], special: bool) -> String {
    let mut stream = TextStream::new(tokenizer);
    if special {
        stream = stream.with_special();
    }
    let mut text = String::new();
    for id in ids {
        text += &stream.push(*id);
    }
    text + &stream.finish()
}

proptest! {
    #[test]
    fn byte_level_gives_back_any_text(text in any::<String>()) {
        let tokenizer = tokenizer(&byte_level(), &Value::Null).unwrap();
        for special in [Special::CHAT, Special::NONE] {
            let ids = tokenizer.encode(&text, special).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids, false), text.clone());
        }
    }

    #[test]
    fn streams_show_what_the_crate_decodes(ids in proptest::collection::vec(0u32..275, 0..40), special in any::<bool>()) {
        let json = byte_level().to_string();
        let ours = Tokenizer::from_json(json.as_bytes(), None).unwrap();
        let crates: tokenizers::Tokenizer = json.parse().unwrap();
        // The crate numbers added tokens in a row; ours are where the file says.
        let ids: Vec<u32> = ids.into_iter().filter(|id| *id < 263).collect();
        let expected = crates.decode(&ids, !special).unwrap();
        prop_assert_eq!(streamed(&ours, &ids, special), expected);
    }

    #[test]
    fn sentencepiece_streams_show_what_the_crate_decodes(text in "[abc é€\u{1F600}▁]{0,20}", special in any::<bool>()) {
        let json = sentencepiece().to_string();
        let ours = Tokenizer::from_json(json.as_bytes(), None).unwrap();
        let crates: tokenizers::Tokenizer = json.parse().unwrap();
        let ids = ours.encode(&text, Special::PROMPT).unwrap();
        prop_assert_eq!(&ids, &crates.encode(text, true).unwrap().get_ids().to_vec());
        prop_assert_eq!(streamed(&ours, &ids, special), crates.decode(&ids, !special).unwrap());
    }

    #[test]
    fn streams_agree_with_decode_on_any_tokens(ids in proptest::collection::vec(0u32..280, 0..40), special in any::<bool>()) {
        for json in [byte_level(), sentencepiece(), word_level()] {
            let tokenizer = tokenizer(&json, &Value::Null).unwrap();
            prop_assert_eq!(streamed(&tokenizer, &ids, special), tokenizer.decode(&ids, !special));
        }
    }

    #[test]
    fn damage_is_an_error_or_harmless(place in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0usize..3) {
        let mut json = [byte_level(), sentencepiece(), word_level()][which].to_string().into_bytes();
        let place = place.index(json.len());
        json[place] = byte;
        if let Ok(tokenizer) = Tokenizer::from_json(&json, None) {
            for special in [Special::PROMPT, Special::NONE] {
                let ids = tokenizer.encode("to be, ab<|end|>é€ \n", special).unwrap_or_default();
                prop_assert_eq!(streamed(&tokenizer, &ids, true), tokenizer.decode(&ids, false));
            }
        }
    }
}
