//! A checkpoint's vocabulary and chat template -> prompts as tokens, and the tokens that end an answer.

use super::side::SideFiles;
use crate::template::{ChatTemplate, Message};
use crate::tokenizer::{Special, Tokenizer, Vocabulary};
use crate::{Error, Result};
use web_time::SystemTime;

/// What a model needs to read and write text.
pub struct Text {
    tokenizer: Tokenizer,
    /// None for a base model. One that is faulty is no reason to refuse the model: it still continues text.
    template: Option<Result<ChatTemplate>>,
}

impl Text {
    /// From a GGUF's own vocabulary.
    pub(super) fn from_gguf(vocabulary: Vocabulary, template: Option<&str>) -> Result<Text> {
        Ok(Text::new(Tokenizer::from_gguf(vocabulary)?, template))
    }

    /// From `tokenizer.json` and what stands beside it.
    pub(super) fn from_side_files(side: &mut SideFiles) -> Result<Text> {
        Ok(Text::new(side.take_tokenizer()?, side.chat_template()))
    }

    fn new(tokenizer: Tokenizer, template: Option<&str>) -> Text {
        let template = template.map(|source| ChatTemplate::new(source, &tokenizer));
        Text { tokenizer, template }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Whether messages can be turned into a prompt.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// The tokens of a text to be continued, led by what the vocabulary asks for (often a token that begins a text).
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode(text, Special::PROMPT)
    }

    /// The tokens of a conversation, up to where the assistant's next answer begins.
    ///
    /// # Errors
    /// As [`render`](Text::render).
    pub fn chat_prompt(&self, messages: &[Message]) -> Result<Vec<u32>> {
        self.tokenizer.encode(&self.render(messages, true)?, Special::CHAT)
    }

    /// A conversation as the text that the model reads, by its own template; with `add_generation_prompt`, up to where the
    /// assistant's next answer begins. What begins a text is the template's to write, and the date, if it asks for it, is
    /// today's in UTC.
    ///
    /// # Errors
    /// [`Error::Template`] where the model has none (a base model), where it is faulty, or where it refuses the messages.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let Some(template) = &self.template else {
            let message = "this model has no chat template: it continues text, it was not trained for conversation";
            return Err(Error::Template(message.into()));
        };
        let mut template = template.clone()?;
        if let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            template.set_time(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        }
        template.render(messages, add_generation_prompt)
    }
}

#[cfg(test)]
impl Text {
    /// Makes a token end an answer.
    pub(super) fn end_with(&mut self, token: u32) {
        self.tokenizer.add_end_tokens(&[token]);
    }
}
