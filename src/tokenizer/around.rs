//! The `post_processor` of a `tokenizer.json` -> the special tokens that go before and after a text.
//!
//! The `tokenizers` crate could apply it, but it panics where the parts of a damaged one contradict each other; and of what
//! it can do (pairs of texts, offsets) nothing else is needed here.

use crate::{Error, Result};
use serde_json::Value;

/// The ids before a text and after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Around {
    pub before: Vec<u32>,
    pub after: Vec<u32>,
}

impl Around {
    /// What a post-processor adds to a single text.
    pub fn new(processor: &Value) -> Result<Around> {
        match processor["type"].as_str() {
            None if processor.is_null() => Ok(Around::default()),
            // It only says which characters a token stands for.
            Some("ByteLevel") => Ok(Around::default()),
            Some("TemplateProcessing") => template(processor),
            Some("BertProcessing" | "RobertaProcessing") => {
                let id = |name: &str| one_id(&processor[name][1]).map_err(|error| error.at(name));
                Ok(Around { before: vec![id("cls")?], after: vec![id("sep")?] })
            }
            Some("Sequence") => sequence(processor),
            kind => Err(Error::Tokenizer(format!(
                "its type is {kind:?}, expected TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or Sequence"
            ))),
        }
    }
}

/// Pieces in a row, one of which is the text.
fn template(processor: &Value) -> Result<Around> {
    let mut around = Around::default();
    let mut text_seen = false;
    for piece in list(&processor["single"], "single")? {
        if let Some(name) = piece["SpecialToken"]["id"].as_str() {
            let ids = list(&processor["special_tokens"][name]["ids"], &format!("special token {name:?}"))?;
            let side = if text_seen { &mut around.after } else { &mut around.before };
            for id in ids {
                side.push(one_id(id).map_err(|error| error.at(format!("special token {name:?}")))?);
            }
        } else if piece["Sequence"]["id"] == "A" && !text_seen {
            text_seen = true;
        } else {
            return Err(Error::Tokenizer(format!("{piece} is neither a special token nor the one text, A")));
        }
    }
    if !text_seen {
        return Err(Error::Tokenizer("its template leaves out the text".into()));
    }
    Ok(around)
}

/// One after another, each around what the one before made.
fn sequence(processor: &Value) -> Result<Around> {
    let mut around = Around::default();
    for step in list(&processor["processors"], "processors")? {
        let Around { mut before, after } = Around::new(step)?;
        before.append(&mut around.before);
        around.before = before;
        around.after.extend(after);
    }
    Ok(around)
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value]> {
    match value.as_array() {
        Some(items) => Ok(items),
        None => Err(Error::Tokenizer(format!("{name} is {value}, expected a list"))),
    }
}

fn one_id(value: &Value) -> Result<u32> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| Error::Tokenizer(format!("{value} is no token's id")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn around(before: &[u32], after: &[u32]) -> Result<Around> {
        Ok(Around { before: before.to_vec(), after: after.to_vec() })
    }

    fn llama(single: Value) -> Value {
        let ids = json!({"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}, "E": {"id": "E", "ids": [2, 3], "tokens": ["x", "y"]}});
        json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": ids})
    }

    fn special(name: &str) -> Value {
        json!({"SpecialToken": {"id": name, "type_id": 0}})
    }

    #[test]
    fn every_type_puts_its_tokens_on_their_side() {
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let template = llama(json!([special("<s>"), text, special("E"), special("<s>")]));
        assert_eq!(Around::new(&template), around(&[1], &[2, 3, 1]));
        let bert = json!({"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]});
        assert_eq!(Around::new(&bert), around(&[101], &[102]));
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false});
        assert_eq!(Around::new(&byte_level), around(&[], &[]));
        assert_eq!(Around::new(&Value::Null), around(&[], &[]));
        let both = json!({"type": "Sequence", "processors": [byte_level, template, bert]});
        assert_eq!(Around::new(&both), around(&[101, 1], &[2, 3, 1, 102]));
    }

    #[test]
    fn contradictions_are_errors() {
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let second = json!({"Sequence": {"id": "B", "type_id": 0}});
        for single in
            [json!([special("<x>"), text]), json!([special("<s>")]), json!([text, text]), json!([second]), json!(3)]
        {
            assert!(Around::new(&llama(single.clone())).is_err(), "{single}");
        }
        for other in
            [json!({"type": "Guess"}), json!({}), json!([1]), json!({"type": "BertProcessing", "cls": ["a", -1]})]
        {
            assert!(Around::new(&other).is_err(), "{other}");
        }
    }
}
