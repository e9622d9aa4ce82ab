//! What a caller may choose when loading a model and when generating, checked before any work is done.

use crate::cpu::Activations;
use crate::kernels::CacheFormat;
use crate::sampler;
use crate::weights::Precision;
use crate::{Error, Result};
use serde_json::Value;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The GPU where there is one, the CPU otherwise; [`Info::notice`](super::Info::notice) then says why.
    #[default]
    Auto,
    /// The GPU; without one it is an error.
    Gpu,
    /// The processor: SIMD and threads.
    Cpu,
    /// The plain reference functions on one thread of the processor: what the others are tested against. Not on the web.
    Reference,
}

impl Device {
    /// The names as options take them.
    pub const NAMES: [&str; 4] = ["auto", "gpu", "cpu", "reference"];

    /// From an option's text.
    pub fn parse(text: &str) -> Result<Device> {
        match text {
            "auto" => Ok(Device::Auto),
            "gpu" => Ok(Device::Gpu),
            "cpu" => Ok(Device::Cpu),
            "reference" => Ok(Device::Reference),
            other => Err(Error::Option(format!("device is {other:?}; supported: {}", Self::NAMES.join(", ")))),
        }
    }
}

/// How the cache of keys and values is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePrecision {
    /// f32 with a precision of f32, f16 otherwise.
    #[default]
    Auto,
    /// In this format.
    Only(CacheFormat),
}

impl CachePrecision {
    /// From an option's text: `auto`, or the name of a format.
    pub fn parse(text: &str) -> Result<CachePrecision> {
        if text == "auto" {
            return Ok(CachePrecision::Auto);
        }
        let format = CacheFormat::ALL.into_iter().find(|format| format.name() == text);
        format.map(CachePrecision::Only).ok_or_else(|| {
            let names = CacheFormat::ALL.map(CacheFormat::name).join(", ");
            Error::Option(format!("cache is {text:?}; supported: auto, {names}"))
        })
    }
}

/// Positions that a model gets when the caller does not say, if it was trained for as many. A cache for the whole
/// trained context of recent models would not fit most devices.
pub const DEFAULT_CONTEXT: u32 = 4096;

/// Threads that one model may take.
const MOST_THREADS: u32 = 256;

/// Milliseconds at a stretch that are still a stretch: past a second or two, drivers take a device for dead.
const MOST_FRAME_MS: u32 = 1000;

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// Where it runs.
    pub device: Device,
    /// What float matrices become.
    pub precision: Precision,
    /// What keys and values become.
    pub cache: CachePrecision,
    /// Positions to make room for. Without it the smaller of the trained context and [`DEFAULT_CONTEXT`].
    pub context: Option<u32>,
    /// What activations become before they are multiplied.
    pub activations: Activations,
    /// Threads of the processor; without it as many as it runs at once. A GPU has no use for it.
    pub threads: Option<u32>,
    /// Milliseconds that the device may be kept at a stretch, so that others who use it (a compositor) come in between: as
    /// far as 16 rows of a prompt, one token, and the first part of the first prompt allow. Without it 33 in a browser's
    /// GPU, else 100.
    pub frame_budget_ms: Option<u32>,
}

impl LoadOptions {
    /// Refuses what no model can serve.
    ///
    /// # Errors
    /// [`Error::Option`] for a context of 0, and for threads or a frame budget of 0 or too many.
    pub fn check(&self) -> Result<()> {
        if self.context == Some(0) {
            return Err(Error::Option("context is 0; expected at least 1 position".into()));
        }
        match self.threads {
            Some(threads) if !(1..=MOST_THREADS).contains(&threads) => {
                return Err(Error::Option(format!("threads are {threads}; expected 1 to {MOST_THREADS}")));
            }
            _ => {}
        }
        match self.frame_budget_ms {
            Some(ms) if !(1..=MOST_FRAME_MS).contains(&ms) => {
                Err(Error::Option(format!("the frame budget is {ms} ms; expected 1 to {MOST_FRAME_MS}")))
            }
            _ => Ok(()),
        }
    }

    /// The context to make room for, of a model that was trained for `trained` positions.
    ///
    /// # Errors
    /// [`Error::Option`] where more is asked for than the model was trained for.
    pub fn context_for(&self, trained: u32) -> Result<u32> {
        match self.context {
            None => Ok(trained.min(DEFAULT_CONTEXT)),
            Some(asked) if asked <= trained => Ok(asked),
            Some(asked) => Err(Error::Option(format!(
                "context is {asked}; this model was trained for at most {trained} positions"
            ))),
        }
    }
}

/// How the kernels of a GPU are chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Tune {
    /// As adapters of its kind begin.
    #[default]
    Start,
    /// By a measurement at load, about a second long, but for what is known from an earlier one: what
    /// [`Model::tuning`](super::Model::tuning) gave. If that was for another adapter or version, or is damaged,
    /// [`Info::notice`](super::Info::notice) says so and all is measured.
    Measure(Option<Value>),
    /// As a tuning says, and where it is silent as adapters of its kind begin.
    Given(Value),
}

/// How text is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// How the next token is chosen.
    pub sampling: sampler::Options,
    /// Most new tokens; the context bounds them too. 0 gives an empty text.
    pub max_tokens: u32,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Goes on past the tokens that end a text.
    pub ignore_eos: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        GenerateOptions {
            sampling: sampler::Options::default(),
            max_tokens: u32::MAX,
            stop: Vec::new(),
            ignore_eos: false,
        }
    }
}

impl GenerateOptions {
    /// Refuses what is out of range.
    ///
    /// # Errors
    /// [`Error::Option`] names the option, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        self.sampling.check()?;
        if self.stop.iter().any(String::is_empty) {
            return Err(Error::Option("a stop string is empty; expected at least one character".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_bounded_by_the_training() {
        let ask = |context| LoadOptions { context, ..LoadOptions::default() }.context_for(8192);
        assert_eq!(ask(None), Ok(DEFAULT_CONTEXT));
        assert_eq!(ask(Some(8192)), Ok(8192));
        assert_eq!(
            ask(Some(8193)).unwrap_err().to_string(),
            "context is 8193; this model was trained for at most 8192 positions"
        );
        assert_eq!(LoadOptions::default().context_for(64), Ok(64));
    }

    #[test]
    fn senseless_options_are_refused() {
        assert_eq!(LoadOptions { context: Some(0), ..LoadOptions::default() }.check().unwrap_err().code(), "option");
        for (frame_budget_ms, is_fine) in [(Some(0), false), (Some(1), true), (Some(1001), false), (None, true)] {
            assert_eq!(LoadOptions { frame_budget_ms, ..LoadOptions::default() }.check().is_ok(), is_fine);
        }
        let stop = vec![String::new()];
        assert_eq!(GenerateOptions { stop, ..GenerateOptions::default() }.check().unwrap_err().code(), "option");
        assert!(Device::parse("tpu").unwrap_err().to_string().contains("auto, gpu, cpu"));
        assert_eq!(CachePrecision::parse("q8"), Ok(CachePrecision::Only(CacheFormat::Q8)));
        let error = CachePrecision::parse("q4").unwrap_err().to_string();
        assert_eq!(error, "cache is \"q4\"; supported: auto, f32, f16, q8");
    }
}
