//! Chat templates render as Python's Jinja renders them under `transformers`.
//!
//! `tests/golden/templates.py` has the templates and made the expected prompts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use oriel::template::{ChatTemplate, Message};
use oriel::tokenizer::{Tokenizer, Vocabulary};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

#[derive(Deserialize)]
struct Golden {
    local_seconds: i64,
    templates: HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    messages: Vec<Spoken>,
    generate: bool,
    variables: Map<String, Value>,
    /// The prompt, or what the template says in place of one.
    text: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Spoken {
    role: String,
    content: String,
}

/// A vocabulary with `<s>` and `</s>`, which templates know as `bos_token` and `eos_token`.
fn tokenizer() -> Tokenizer {
    let tokens = ["<unk>", "<s>", "</s>", "a"].map(String::from).to_vec();
    let vocabulary = Vocabulary { model: "llama".into(), tokens, kinds: vec![2, 3, 3, 1], ..Vocabulary::default() };
    Tokenizer::from_gguf(vocabulary).unwrap()
}

#[test]
fn templates_render_as_in_python() {
    let golden: Golden = serde_json::from_str(include_str!("golden/templates.json")).unwrap();
    let tokenizer = tokenizer();
    let mut wrong = Vec::new();
    for (place, case) in golden.cases.iter().enumerate() {
        let mut template = ChatTemplate::new(&golden.templates[&case.template], &tokenizer).unwrap();
        template.set_time(golden.local_seconds);
        let messages: Vec<Message> =
            case.messages.iter().map(|spoken| Message::new(&spoken.role, &spoken.content)).collect();
        let expected = match (&case.text, &case.refusal) {
            (Some(text), None) => text.clone(),
            (None, Some(refusal)) => format!("the chat template refuses these messages: {refusal}"),
            _ => panic!("case {place} expects both a text and a refusal, or neither"),
        };
        let rendered = template.render_with(&messages, case.generate, &case.variables);
        let rendered = rendered.unwrap_or_else(|error| error.to_string());
        if rendered != expected {
            wrong.push(format!("case {place}, {}:\n{rendered:?}\ninstead of\n{expected:?}", case.template));
        }
    }
    assert!(golden.cases.len() > 100);
    assert!(wrong.is_empty(), "{} cases differ; the first:\n{}", wrong.len(), wrong[..wrong.len().min(3)].join("\n\n"));
}
