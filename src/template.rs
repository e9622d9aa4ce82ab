//! The messages of a conversation -> the prompt that a model was trained on, by the model's own chat template.
//!
//! Chat templates are written for Python's Jinja as `transformers` sets it up; [`minijinja`] renders them here. What
//! differs is bridged: Python's methods on strings and lists, how values print, its JSON, and the names that
//! `transformers` adds.

mod clock;
mod python;
#[cfg(test)]
mod tests;

use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value, json};
use std::fmt;

/// How much a template may do before it is stopped: enough for conversations of any sensible length, and seconds at most.
const FUEL: u64 = 10_000_000;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of `role` that says `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Message {
        Message { role: role.into(), content: content.into() }
    }
}

/// A chat template that has been found to be well-formed.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    source: String,
    bos: Option<String>,
    eos: Option<String>,
    local_seconds: Option<i64>,
}

impl ChatTemplate {
    /// Takes the template's text; the tokenizer tells what `bos_token` and `eos_token` are in it.
    ///
    /// # Errors
    /// [`Error::Template`] with the line if it is not well-formed.
    pub fn new(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate> {
        let text = |id: Option<u32>| id.and_then(|id| tokenizer.token_text(id));
        ChatTemplate::with_tokens(source, text(tokenizer.bos()), text(tokenizer.eos()))
    }

    fn with_tokens(source: &str, bos: Option<String>, eos: Option<String>) -> Result<ChatTemplate> {
        let source = without_generation_tags(source);
        environment().template_from_str(&source).map_err(failed)?;
        Ok(ChatTemplate { source, bos, eos, local_seconds: None })
    }

    /// Tells the time to templates that put the date into the prompt: seconds since 1970 began by the local clock. Without
    /// it they fall back on a date of their own.
    pub fn set_time(&mut self, local_seconds: i64) {
        self.local_seconds = Some(local_seconds);
    }

    /// The prompt for `messages`; with `add_generation_prompt`, up to where the assistant's next message begins.
    ///
    /// # Errors
    /// [`Error::Template`] with the template's own words if it refuses the messages (roles in an order that the model does
    /// not know), or with the line where it fails.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        self.render_with(messages, add_generation_prompt, &Map::new())
    }

    /// The same, with `variables` that some templates know, such as `enable_thinking` or `tools`.
    ///
    /// # Errors
    /// As [`render`](ChatTemplate::render).
    pub fn render_with(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        variables: &Map<String, Value>,
    ) -> Result<String> {
        // `transformers` always hands over these two; templates ask whether they are none.
        let mut context = Map::from_iter([("tools".into(), Value::Null), ("documents".into(), Value::Null)]);
        context.extend(variables.clone());
        for (name, token) in [("bos_token", &self.bos), ("eos_token", &self.eos)] {
            if let Some(token) = token {
                context.insert(name.into(), json!(token));
            }
        }
        context.insert("messages".into(), json!(messages));
        context.insert("add_generation_prompt".into(), json!(add_generation_prompt));

        let mut environment = environment();
        if let Some(seconds) = self.local_seconds {
            let strftime_now = move |format: &str| clock::format(seconds, format);
            environment.add_function("strftime_now", strftime_now);
        }
        let template = environment.template_from_str(&self.source).map_err(failed)?;
        template.render(minijinja::Value::from_serialize(&context)).map_err(failed)
    }
}

/// Jinja as `transformers` sets it up.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(python::print);
    environment.set_unknown_method_callback(python::method);
    environment.add_filter("tojson", python::to_json);
    environment.add_filter("string", python::to_text);
    environment.add_function("raise_exception", |message: String| -> Result<(), minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Refusal(message)))
    });
    environment
}

/// What a template says when it refuses the messages.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn failed(error: minijinja::Error) -> Error {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(here) = cause {
        if let Some(Refusal(message)) = here.downcast_ref() {
            return Error::Template(format!("the chat template refuses these messages: {message}"));
        }
        cause = here.source();
    }
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    Error::Template(format!("the chat template fails{line}: {}{detail}", error.kind()))
}

/// `{% generation %}` and its end mark what an assistant wrote, for training. They print nothing, so blocks that always
/// apply take their places; whitespace around them is treated the same.
fn without_generation_tags(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let inside = &rest[start + 2..start + length];
        let name = inside.trim_matches(|character: char| character.is_whitespace() || matches!(character, '-' | '+'));
        let replacement = match name {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => name,
        };
        let after = start + 2 + inside.find(name).unwrap_or(0);
        result += &rest[..after];
        result += replacement;
        result += &rest[after + name.len()..start + length + 2];
        rest = &rest[start + length + 2..];
    }
    result + rest
}
