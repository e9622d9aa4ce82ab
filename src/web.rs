//! The session as the package's worker sees it: JavaScript values in, JavaScript values out. Nothing is decided here.
//!
//! Errors are thrown as `{ code, message }`. The worker makes one call at a time: a second one while an asynchronous one
//! is under way would be refused by wasm-bindgen.

mod heads;
mod machine;
mod options;
mod speeds;

use crate::format::Format;
use crate::kernels::{self, CacheFormat};
use crate::session::bench::Bench;
use crate::session::{self, Chunk, Device, FinishReason, Step, Text};
use crate::template::Message;
use crate::{Error, Result};
use machine::{Processor, ProcessorModule};
use options::{AskedOfGeneration, AskedOfLoad};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

/// What a call from JavaScript gives or throws.
type Answer<T = JsValue> = std::result::Result<T, JsValue>;

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// A model on its way in. `free` lets go of everything that it took.
#[wasm_bindgen]
pub struct Loading(Option<session::Loading>);

#[wasm_bindgen]
impl Loading {
    /// Opens the GPU. Takes `{ precision, cache, context?, activations?, frameBudget?, tuning, kept?, adapter? }`: the last
    /// two are what was measured before, and what the browser calls the adapter.
    pub async fn open(options: JsValue) -> Answer<Loading> {
        let asked: AskedOfLoad = read(&options).map_err(throw)?;
        let (adapter, tune) = (asked.adapter.clone(), asked.tune());
        let mut loading = session::Loading::new(asked.checked(Device::Gpu).map_err(throw)?).await.map_err(throw)?;
        if let Some(name) = adapter {
            loading.rename_adapter(&name);
        }
        loading.tune(&tune).map_err(throw)?;
        Ok(Loading(Some(loading)))
    }

    /// Opens the processor, by its module. Takes the same.
    #[wasm_bindgen(js_name = openOnProcessor)]
    pub fn open_on_processor(options: JsValue, module: ProcessorModule) -> Answer<Loading> {
        let asked: AskedOfLoad = read(&options).map_err(throw)?;
        let tune = asked.tune();
        let machine = Box::new(Processor::new(module));
        let options = asked.checked(Device::Cpu).map_err(throw)?;
        let mut loading = session::Loading::on_machine(options, machine).map_err(throw)?;
        loading.tune(&tune).map_err(throw)?;
        Ok(Loading(Some(loading)))
    }

    /// A whole file from beside the weights.
    #[wasm_bindgen(js_name = sideFile)]
    pub fn side_file(&mut self, name: &str, bytes: &[u8]) -> Answer<()> {
        self.inner()?.side_file(name, bytes).map_err(throw)
    }

    /// The names of the weight files that are to come, in order.
    pub fn wanted(&mut self) -> Answer<Vec<String>> {
        Ok(self.inner()?.wanted())
    }

    /// A weight file begins; `length` in bytes, where it is known.
    pub fn begin(&mut self, name: &str, length: Option<f64>) -> Answer<()> {
        self.inner()?.begin(name, length.map(|bytes| bytes as u64)).map_err(throw)
    }

    /// The next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Answer<()> {
        self.inner()?.push(bytes).map_err(throw)
    }

    /// Waits until the device has taken what was pushed.
    pub async fn settle(&mut self) -> Answer<()> {
        self.inner()?.settle().await.map_err(throw)
    }

    /// Bytes that the device has given so far; 0 once all has come.
    #[wasm_bindgen(js_name = heldBytes)]
    pub fn held_bytes(&self) -> f64 {
        self.0.as_ref().map_or(0.0, |loading| loading.held_bytes() as f64)
    }

    /// The file ends.
    pub fn end(&mut self) -> Answer<()> {
        self.inner()?.end().map_err(throw)
    }

    /// Every file has come. Nothing can be added afterwards. `keep` is awaited with the tuning that is to be kept in case
    /// the device or the tab does not survive the kernel that is tried next.
    pub async fn finish(&mut self, keep: js_sys::Function) -> Answer<Model> {
        self.inner()?;
        let loading = self.0.take().ok_or_else(finished)?;
        let keep = async |tuning: Value| {
            // What can't be kept is no reason to go without.
            let kept = write(&tuning).and_then(|tuning| keep.call1(&JsValue::UNDEFINED, &tuning));
            if let Ok(kept) = kept {
                let _ = wasm_bindgen_futures::JsFuture::from(js_sys::Promise::resolve(&kept)).await;
            }
        };
        let mut model = loading.finish_keeping(&keep).await.map_err(throw)?;
        model.keep_caches(KEPT_BYTES);
        Ok(Model { model, answers: Vec::new(), bench: None })
    }

    fn inner(&mut self) -> Answer<&mut session::Loading> {
        self.0.as_mut().ok_or_else(finished)
    }
}

fn finished() -> JsValue {
    throw(Error::Option("the loading has finished already".into()))
}

/// What of a saved cache is looked at first; it has more.
const HEAD_BYTES: u32 = 64;

/// What may be kept of the cache for conversations that take turns.
const KEPT_BYTES: usize = 128 << 20;

/// A loaded model, the answers that take turns on it, and at most one benchmark. `free` lets go of what it holds on the
/// device.
#[wasm_bindgen]
pub struct Model {
    model: session::Model,
    /// By the numbers that the worker gave them.
    answers: Vec<(u32, session::Generation)>,
    bench: Option<Bench>,
}

#[wasm_bindgen]
impl Model {
    /// What the model is and where it runs.
    pub fn info(&self) -> Answer {
        let info = self.model.info();
        let formats = info.formats.iter().map(|entry| (entry.format.name().to_string(), entry.bytes.into()));
        let adapter = json!({
            "name": info.adapter.name, "backend": info.adapter.backend, "kind": info.adapter.kind,
            "driver": info.adapter.driver, "variants": info.adapter.variants,
            "timestamps": info.adapter.timestamps, "subgroups": info.adapter.subgroups,
        });
        write(&json!({
            "architecture": info.architecture, "context": info.context, "trainedContext": info.shape.context,
            "layers": info.shape.layers, "width": info.shape.width, "vocab": info.shape.vocab,
            "formats": formats.collect::<Map<String, Value>>(), "cache": info.cache.name(),
            "gpuBytes": info.gpu_bytes, "adapter": adapter,
            "tuning": self.model.tuning(), "tuned": !self.model.tuned().is_empty(), "notice": info.notice,
            "chat": self.model.text().has_template(),
        }))
    }

    /// The tokens of a text, as a prompt is read.
    pub fn tokenize(&self, text: &str) -> Answer<Vec<u32>> {
        self.model.text().prompt(text).map_err(throw)
    }

    /// The text of tokens, special ones included.
    pub fn detokenize(&self, tokens: &[u32]) -> String {
        self.model.text().tokenizer().decode(tokens, false)
    }

    /// `[{ role, content }]` as the text that the model reads.
    #[wasm_bindgen(js_name = applyTemplate)]
    pub fn apply_template(&self, messages: &JsValue, add_generation_prompt: bool) -> Answer<String> {
        let messages = conversation(messages).map_err(throw)?;
        self.model.text().render(&messages, add_generation_prompt).map_err(throw)
    }

    /// Begins a generation from a text, from tokens (a `Uint32Array`) or from messages, or takes one up after the tokens
    /// `resume` of its answer. It goes by `id` until its [`end`](Model::end).
    pub fn start(&mut self, id: u32, prompt: &JsValue, options: &JsValue) -> Answer<()> {
        let mut options: AskedOfGeneration = read(options).map_err(throw)?;
        let resume = std::mem::take(&mut options.resume);
        let tokens = match (prompt.as_string(), prompt.dyn_ref::<js_sys::Uint32Array>()) {
            (Some(text), _) => self.model.text().prompt(&text),
            (None, Some(tokens)) => Ok(tokens.to_vec()),
            (None, None) => self.chat_prompt(prompt),
        };
        let answer = tokens.and_then(|tokens| self.model.resume(&tokens, options.into(), &resume));
        self.answers.push((id, answer.map_err(throw)?));
        Ok(())
    }

    /// One step: `{ token, text, logprob?, topLogprobs? }`, or `{}` after a part of a long prompt, or undefined at the end.
    pub async fn next(&mut self, id: u32) -> Answer {
        let Some((_, answer)) = self.answers.iter_mut().find(|(other, _)| *other == id) else {
            return Ok(JsValue::UNDEFINED);
        };
        self.model.bring(answer).await.map_err(throw)?;
        match self.model.step(answer).await.map_err(throw)? {
            Step::Token(chunk) => write(&said(&chunk, self.model.text())),
            Step::Prompt { .. } => write(&json!({})),
            Step::Finished => Ok(JsValue::UNDEFINED),
        }
    }

    /// Forgets a generation.
    pub fn end(&mut self, id: u32) {
        let Some(place) = self.answers.iter().position(|(other, _)| *other == id) else { return };
        let (_, answer) = self.answers.remove(place);
        self.model.release(&answer);
    }

    /// What stands in the cache, or was kept, of a conversation, as bytes.
    pub async fn save(&mut self, messages: JsValue) -> Answer {
        let tokens = self.chat_prompt(&messages).map_err(throw)?;
        let bytes = self.model.save_cache(&tokens).await.map_err(throw)?;
        Ok(js_sys::Uint8Array::from(&bytes[..]).into())
    }

    /// Takes such bytes into the cache; how many positions they were.
    #[wasm_bindgen(js_name = loadCache)]
    pub async fn load_cache(&mut self, bytes: js_sys::Uint8Array) -> Answer<u32> {
        let length = bytes.length();
        // Nothing is taken in that this model has no use for.
        self.model.check_saved(&bytes.subarray(0, HEAD_BYTES).to_vec(), length.into()).map_err(throw)?;
        let mut file = Vec::new();
        if file.try_reserve_exact(length as usize).is_err() {
            return Err(throw(Error::Memory(format!("no room for a saved cache of {length} bytes"))));
        }
        file.resize(length as usize, 0);
        bytes.copy_to(&mut file);
        self.model.load_cache(&file).await.map(|positions| positions as u32).map_err(throw)
    }

    fn chat_prompt(&self, messages: &JsValue) -> Result<Vec<u32>> {
        conversation(messages).and_then(|messages| self.model.text().chat_prompt(&messages))
    }

    /// By which passes the cache came to hold what it holds, as far as that has changed: `[from, pass...]`, a pass being
    /// `[start, 1 where its tokens ran alone, token...]`; or undefined.
    pub fn changed(&mut self) -> Answer {
        let Some(change) = self.model.changed() else { return Ok(JsValue::UNDEFINED) };
        let passes = change
            .passes
            .into_iter()
            .map(|pass| json!([pass.start, u32::from(pass.alone)].into_iter().chain(pass.tokens).collect::<Vec<_>>()));
        write(&Value::Array([json!(change.from)].into_iter().chain(passes).collect()))
    }

    /// Takes over such passes of another worker's model, to be made again when an answer has a use for them.
    pub async fn restore(&mut self, passes: JsValue) -> Answer<()> {
        let passes: Vec<Vec<u32>> = read(&passes).map_err(throw)?;
        let passes = passes.iter().map(|pass| match pass[..] {
            [start, alone, ref tokens @ ..] => Ok(session::Pass { start, alone: alone == 1, tokens: tokens.to_vec() }),
            _ => Err(Error::Option("a pass has no position".into())),
        });
        let passes = passes.collect::<Result<_>>().map_err(throw)?;
        self.model.restore(passes).await.map_err(throw)
    }

    /// What the generation has come to so far.
    pub fn result(&self, id: u32) -> Answer {
        let Some((_, generation)) = self.answers.iter().find(|(other, _)| *other == id) else {
            return Ok(JsValue::UNDEFINED);
        };
        let timings = generation.timings();
        write(&json!({
            "text": generation.text(),
            "tokens": generation.tokens(),
            "finishReason": generation.finish_reason().map(FinishReason::name),
            "usage": {
                "promptTokens": generation.prompt().len(),
                "cachedTokens": timings.cached_tokens,
                "completionTokens": timings.new_tokens,
            },
            "timings": {
                "prefillMs": timings.prefill_ms,
                "firstTokenMs": timings.first_token_ms,
                "decodeMs": timings.decode_ms,
                "prefillTokensPerSecond": timings.prefill_tokens_per_s(),
                "decodeTokensPerSecond": timings.decode_tokens_per_s(),
            },
        }))
    }

    /// Begins a benchmark, of `{ prefill, decode, newTokens, runs }`; one that was going on is dropped.
    #[wasm_bindgen(js_name = startBenchmark)]
    pub async fn start_benchmark(&mut self, options: JsValue) -> Answer<()> {
        self.bench = None;
        let bench = read(&options).and_then(|options| Bench::new(&self.model, options)).map_err(throw)?;
        self.model.set_aside().await.map_err(throw)?;
        self.bench = Some(bench);
        Ok(())
    }

    /// One step of it: how far it has come, or undefined at the end.
    #[wasm_bindgen(js_name = stepBenchmark)]
    pub async fn step_benchmark(&mut self) -> Answer {
        let Some(bench) = &mut self.bench else { return Ok(JsValue::UNDEFINED) };
        match bench.step(&mut self.model).await.map_err(throw)? {
            Some(progress) => write(&json!(progress)),
            None => {
                // Of no use to anybody, it is not to be kept.
                self.model.forget();
                Ok(JsValue::UNDEFINED)
            }
        }
    }

    /// What was measured: the object that `oriel bench --json` prints.
    #[wasm_bindgen(js_name = benchmarkReport)]
    pub fn benchmark_report(&self) -> Answer {
        match &self.bench {
            Some(bench) => write(&json!(bench.report(&self.model))),
            None => Ok(JsValue::UNDEFINED),
        }
    }
}

/// Every shader as the browser's compiler is given it: `[{ name, wgsl, workgroup, subgroups }]`, for tests.
#[wasm_bindgen]
pub fn shaders() -> Answer {
    let mut linked: Vec<Value> = Vec::new();
    for kernel in kernels::ALL.iter().chain(kernels::WITH_SUBGROUPS) {
        for (format, cache) in Format::ALL.into_iter().flat_map(|format| CacheFormat::ALL.map(|cache| (format, cache)))
        {
            if !kernel.takes(format) {
                continue;
            }
            let wgsl = kernel.link(format, cache);
            if linked.iter().all(|other| other["wgsl"] != wgsl.as_str()) {
                let name = format!("{}, matrix {}, cache {}", kernel.name, format.name(), cache.name());
                let (workgroup, subgroups, halves) = (kernel.workgroup, kernel.subgroups, kernel.needs_halves());
                linked.push(json!({
                    "name": name, "wgsl": wgsl, "workgroup": workgroup, "subgroups": subgroups, "halves": halves,
                }));
            }
        }
    }
    write(&Value::Array(linked))
}

/// A chunk for JavaScript, each of its likeliest tokens with its text.
fn said(chunk: &Chunk, text: &Text) -> Value {
    let mut said = json!({ "token": chunk.token, "text": chunk.text });
    if let Some(logprob) = chunk.logprob {
        let likely = |(token, logprob): &(u32, f32)| {
            let text = text.tokenizer().piece(*token);
            json!({ "token": token, "text": text, "logprob": logprob })
        };
        said["logprob"] = logprob.into();
        said["topLogprobs"] = chunk.top.iter().map(likely).collect();
    }
    said
}

/// `[{ role, content }]`
fn conversation(value: &JsValue) -> Result<Vec<Message>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        role: String,
        content: String,
    }
    let said: Vec<Said> = read(value)?;
    Ok(said.into_iter().map(|Said { role, content }| Message::new(role, content)).collect())
}

/// A plain object or array of JavaScript.
fn read<T: DeserializeOwned>(value: &JsValue) -> Result<T> {
    let refused = |what: &dyn std::fmt::Display| Error::Option(format!("an argument can't be read: {what}"));
    let text = js_sys::JSON::stringify(value).map_err(|_| refused(&"it is no plain object"))?;
    serde_json::from_str(&String::from(text)).map_err(|error| refused(&error))
}

/// A plain object for JavaScript.
fn write(value: &Value) -> Answer {
    js_sys::JSON::parse(&value.to_string())
}

fn throw(error: Error) -> JsValue {
    let mut message = error.to_string();
    if let Error::Option(_) = error {
        message = in_camel_case(&message);
    }
    write(&json!({ "code": error.code(), "message": message })).unwrap_or_else(|fault| fault)
}

/// What is said of an option begins with its name, which JavaScript writes otherwise: `top_p` is `topP` there. The name of
/// a file, which may lead as well, stays as it is.
fn in_camel_case(message: &str) -> String {
    let end = message.find(' ').unwrap_or(message.len());
    let (name, rest) = message.split_at(end);
    if !name.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase()) {
        return message.into();
    }
    let mut words = name.split('_');
    let mut written = words.next().unwrap_or_default().to_string();
    for word in words {
        let (first, others) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        written += &first.to_uppercase();
        written += others;
    }
    written + rest
}
