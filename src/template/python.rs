//! Values -> text and methods as Python has them, where Jinja templates count on it.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State};

/// Prints a value as Jinja does: Python's `str` of it, and nothing for what is undefined.
pub fn print(output: &mut Output, _: &State, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::Undefined => Ok(()),
        _ => output.write_str(&text(value)),
    };
    written.map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
}

/// The filter `string`.
pub fn to_text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        _ => text(value),
    }
}

/// Python's `str`.
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None => {
            let mut text = String::new();
            represent(value, &mut text);
            text
        }
    }
}

/// Python's `repr`.
fn represent(value: &Value, text: &mut String) {
    let mut separator = "";
    match value.kind() {
        ValueKind::Undefined => *text += "Undefined",
        ValueKind::None => *text += "None",
        ValueKind::Bool => *text += if value.is_true() { "True" } else { "False" },
        ValueKind::String => quote(value.as_str().unwrap_or_default(), text),
        ValueKind::Seq => {
            text.push('[');
            for item in value.try_iter().into_iter().flatten() {
                *text += std::mem::replace(&mut separator, ", ");
                represent(&item, text);
            }
            text.push(']');
        }
        ValueKind::Map => {
            text.push('{');
            for key in value.try_iter().into_iter().flatten() {
                *text += std::mem::replace(&mut separator, ", ");
                represent(&key, text);
                *text += ": ";
                represent(&value.get_item(&key).unwrap_or_default(), text);
            }
            text.push('}');
        }
        _ => *text += &value.to_string(),
    }
}

/// A string in quotes: single ones, unless it has those and no double ones.
fn quote(content: &str, text: &mut String) {
    let mark = if content.contains('\'') && !content.contains('"') { '"' } else { '\'' };
    text.push(mark);
    for character in content.chars() {
        match character {
            '\n' => *text += "\\n",
            '\r' => *text += "\\r",
            '\t' => *text += "\\t",
            '\\' => *text += "\\\\",
            _ if character == mark => {
                text.push('\\');
                text.push(mark);
            }
            '\0'..' ' | '\x7F' => *text += &format!("\\x{:02x}", u32::from(character)),
            _ => text.push(character),
        }
    }
    text.push(mark);
}

/// Methods that Python's values have and Jinja's don't.
pub fn method(state: &State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let (Some(text), [argument]) = (value.as_str(), args)
        && let Some(part) = argument.as_str()
    {
        match name {
            "removeprefix" => return Ok(text.strip_prefix(part).unwrap_or(text).into()),
            "removesuffix" => return Ok(text.strip_suffix(part).unwrap_or(text).into()),
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// The filter `tojson` as `transformers` has it: Python's `json.dumps`, which puts spaces after commas and colons and
/// escapes nothing for HTML.
pub fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let style = Json {
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        indent: options.get("indent")?,
        separators: match options.get::<Option<Vec<String>>>("separators")?.as_deref() {
            None => None,
            Some([comma, colon]) => Some((comma.clone(), colon.clone())),
            Some(_) => {
                let message = "tojson: separators are two texts, for between items and after keys";
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        },
    };
    options.assert_all_used()?;
    let wrong = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, format!("tojson: {error}"));
    let value = serde_json::to_value(value).map_err(wrong)?;
    let mut text = String::new();
    style.write(&value, 0, &mut text).map_err(wrong)?;
    Ok(text)
}

/// How JSON is written.
struct Json {
    ascii: bool,
    sorted: bool,
    indent: Option<usize>,
    separators: Option<(String, String)>,
}

impl Json {
    fn write(&self, value: &serde_json::Value, depth: usize, text: &mut String) -> Result<(), serde_json::Error> {
        match value {
            serde_json::Value::Array(items) if !items.is_empty() => {
                text.push('[');
                for (place, item) in items.iter().enumerate() {
                    self.begin_item(place, depth + 1, text);
                    self.write(item, depth + 1, text)?;
                }
                self.line(depth, text);
                text.push(']');
            }
            serde_json::Value::Object(entries) if !entries.is_empty() => {
                let mut entries: Vec<_> = entries.iter().collect();
                if self.sorted {
                    entries.sort_unstable_by_key(|(key, _)| *key);
                }
                text.push('{');
                for (place, (key, value)) in entries.into_iter().enumerate() {
                    self.begin_item(place, depth + 1, text);
                    self.string(key, text)?;
                    *text += self.separators.as_ref().map_or(": ", |(_, colon)| colon);
                    self.write(value, depth + 1, text)?;
                }
                self.line(depth, text);
                text.push('}');
            }
            serde_json::Value::String(content) => self.string(content, text)?,
            other => *text += &serde_json::to_string(other)?,
        }
        Ok(())
    }

    fn begin_item(&self, place: usize, depth: usize, text: &mut String) {
        if place > 0 {
            let comma = if self.indent.is_some() { "," } else { ", " };
            *text += self.separators.as_ref().map_or(comma, |(comma, _)| comma);
        }
        self.line(depth, text);
    }

    fn line(&self, depth: usize, text: &mut String) {
        if let Some(indent) = self.indent {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent.min(64) * depth));
        }
    }

    fn string(&self, content: &str, text: &mut String) -> Result<(), serde_json::Error> {
        let quoted = serde_json::to_string(content)?;
        if !self.ascii {
            *text += &quoted;
            return Ok(());
        }
        for unit in quoted.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
                _ => *text += &format!("\\u{unit:04x}"),
            }
        }
        Ok(())
    }
}
