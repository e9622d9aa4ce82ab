//! The heads of a model's files -> what it would take.

use super::{Answer, read, throw, write};
use crate::Result;
use crate::executor::CPU_BINDING_LIMIT;
use crate::session::{self, CachePrecision, Device, LoadOptions};
use crate::weights::Precision;
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

/// The heads of a model's files, fed like [`Loading`](super::Loading): what it would take, without its weights and without a
/// device.
#[wasm_bindgen]
#[derive(Default)]
pub struct Heads(session::Heads);

#[wasm_bindgen]
impl Heads {
    /// Of a model of which nothing has come.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Heads {
        Heads::default()
    }

    /// A whole file from beside the weights; the tokenizer's are not needed.
    #[wasm_bindgen(js_name = sideFile)]
    pub fn side_file(&mut self, name: &str, bytes: &[u8]) -> Answer<()> {
        self.0.side_file(name, bytes).map_err(throw)
    }

    /// The names of the weight files whose heads are wanted, in order.
    pub fn wanted(&self) -> Vec<String> {
        self.0.wanted()
    }

    /// A weight file begins; `length` in bytes, where it is known.
    pub fn begin(&mut self, name: &str, length: Option<f64>) -> Answer<()> {
        self.0.begin(name, length.map(|bytes| bytes as u64)).map_err(throw)
    }

    /// The next bytes of the file; true once nothing more of it is wanted.
    pub fn push(&mut self, bytes: &[u8]) -> Answer<bool> {
        self.0.push(bytes).map_err(throw)
    }

    /// The file ends, and its head is not whole: this throws.
    pub fn end(&mut self) -> Answer<()> {
        self.0.end().map_err(throw)
    }

    /// `{ context, maxContext, gpuBytes, tokenBytes }` by `{ precision, cache, context? }`, or what a load would refuse.
    /// `limit` is what the GPU binds at once, or what the processor has in all, in bytes; `room`, where it is known, is
    /// what there is in all. The heads are used up.
    pub fn survey(&mut self, options: &JsValue, on_processor: bool, limit: f64, room: Option<f64>) -> Answer {
        let asked: AskedOfCheck = read(options).map_err(throw)?;
        write(&asked.answer(std::mem::take(&mut self.0), on_processor, limit as u64, room).map_err(throw)?)
    }
}

/// The options of [`Heads::survey`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedOfCheck {
    precision: String,
    cache: String,
    context: Option<u32>,
}

impl AskedOfCheck {
    fn answer(&self, heads: session::Heads, on_processor: bool, limit: u64, room: Option<f64>) -> Result<Value> {
        let (precision, cache) = (Precision::parse(&self.precision)?, CachePrecision::parse(&self.cache)?);
        let device = if on_processor { Device::Cpu } else { Device::Gpu };
        let options = LoadOptions { device, precision, cache, context: self.context, ..LoadOptions::default() };
        let survey = heads.survey(options, if on_processor { CPU_BINDING_LIMIT } else { limit })?;
        let most = if on_processor { survey.context_within(limit) } else { survey.greatest_context };
        let most = room.map_or(most, |bytes| most.min(survey.context_within(bytes as u64)));
        // A GGUF file's vocabulary stands in its head.
        if heads.wanted().is_empty() {
            heads.into_text()?;
        }
        Ok(json!({
            "context": survey.context, "maxContext": most,
            "gpuBytes": survey.gpu_bytes, "tokenBytes": survey.token_bytes,
        }))
    }
}
