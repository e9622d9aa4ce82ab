//! What the command line may say.

use clap::{Args, Parser, Subcommand};
use oriel::cpu::Activations;
use oriel::sampler;
use oriel::session::{CachePrecision, Device, GenerateOptions, LoadOptions};
use oriel::weights::Precision;
use std::path::PathBuf;

/// Runs language models on hand-written WGSL, natively: the same core as in the browser.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Continues a text, or answers it with --chat.
    Generate(Generate),
    /// Writes the scores of every token of the vocabulary after every token of a prompt.
    Logits(Logits),
    /// Prints the tokens of a text as a JSON array.
    Tokenize(Tokenize),
    /// Measures how well the model predicts a text.
    Perplexity(Perplexity),
    /// Measures the speed, and counts what the device does for a token.
    Bench(Bench),
    /// Says what a model is and what it takes, by the heads of its files: no weights are read and no GPU is needed.
    Inspect(Inspect),
    /// Times every way to carry out every kind of step of a model on this GPU, prints the times, and keeps the best.
    Tune(Tune),
    /// Predicts speeds of public models on public GPUs by a cost model over our kernels' counts: nothing is measured.
    Predict(Predict),
}

/// Which model, and where and how it runs.
#[derive(Debug, Clone, Args)]
pub struct Model {
    /// A .gguf file, or a folder with config.json, *.safetensors and tokenizer.json.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// Where it runs: auto, gpu, cpu, or reference, the plain functions that kernels are tested against.
    #[arg(long, default_value = "auto", value_parser = Device::parse)]
    pub device: Device,
    /// What float weights become: auto, f32, f16, q8 or q4.
    #[arg(long, default_value = "auto", value_parser = Precision::parse)]
    pub precision: Precision,
    /// How keys and values are held: auto, f32, f16 or q8 (heads of a multiple of 32 values).
    #[arg(long, default_value = "auto", value_parser = CachePrecision::parse)]
    pub cache: CachePrecision,
    /// Positions to make room for [default: what the model was trained for, at most 4096].
    #[arg(long, value_name = "N")]
    pub context: Option<u32>,
    /// What activations become before they are multiplied: auto, f32, int16 or int8. On a GPU that is
    /// about several rows, and auto measures f32 and int16
    #[arg(long, default_value = "auto", value_parser = Activations::parse)]
    pub activations: Activations,
    /// Threads of the processor [default: as many as it runs at once].
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,
    /// Milliseconds, 1 to 1000, that the device is kept at a stretch, as far as 16 tokens of a prompt or one of an answer
    /// allow [default: 100].
    #[arg(long, value_name = "MS")]
    pub frame_budget: Option<u32>,
    /// How the GPU's kernels are chosen: auto measures them at the first load on an adapter, for about a second, and keeps
    /// that in the folder oriel of the user's cache ($XDG_CACHE_HOME or ~/.cache, ~/Library/Caches, %LOCALAPPDATA%); start
    /// takes what adapters of this kind begin with; FILE takes what `oriel tune --out FILE` wrote.
    #[arg(long, value_name = "auto|start|FILE", default_value = "auto", value_parser = TuningFrom::parse)]
    pub tuning: TuningFrom,
}

/// Where the choice of kernels comes from.
#[derive(Debug, Clone)]
pub enum TuningFrom {
    Auto,
    Start,
    File(PathBuf),
}

impl TuningFrom {
    fn parse(text: &str) -> Result<TuningFrom, std::convert::Infallible> {
        Ok(match text {
            "auto" => TuningFrom::Auto,
            "start" => TuningFrom::Start,
            path => TuningFrom::File(path.into()),
        })
    }
}

impl Model {
    /// The same where only a GPU makes sense: `auto` means one then, if it be software.
    pub fn on_gpu(&self) -> Model {
        let device = if self.device == Device::Auto { Device::Gpu } else { self.device };
        Model { device, ..self.clone() }
    }

    pub fn options(&self) -> LoadOptions {
        LoadOptions {
            device: self.device,
            precision: self.precision,
            cache: self.cache,
            context: self.context,
            activations: self.activations,
            threads: self.threads,
            frame_budget_ms: self.frame_budget,
        }
    }
}

#[derive(Debug, Args)]
pub struct Generate {
    #[command(flatten)]
    pub model: Model,
    /// The text to continue or, with --chat, the user's message.
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// Puts the prompt into the model's chat template.
    #[arg(long)]
    pub chat: bool,
    /// The system's message.
    #[arg(long, value_name = "TEXT", requires = "chat")]
    pub system: Option<String>,
    /// Most new tokens.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_tokens: u32,
    /// Goes on past the tokens that end a text.
    #[arg(long)]
    pub ignore_eos: bool,
    /// Text that ends the answer and is no part of it; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    #[command(flatten)]
    pub sampling: Sampling,
    /// Prints one JSON object at the end instead of the text as it comes.
    #[arg(long)]
    pub json: bool,
}

/// How the next token is chosen.
#[derive(Debug, Args)]
pub struct Sampling {
    /// 0 always takes the most likely token.
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub temperature: Option<f32>,
    /// Chooses among the K most likely tokens; 0 among all.
    #[arg(long, value_name = "K")]
    pub top_k: Option<u32>,
    /// Chooses among the fewest tokens whose probabilities add up to P.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub top_p: Option<f32>,
    /// Chooses among tokens at least P times as likely as the most likely one.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub min_p: Option<f32>,
    /// Makes tokens that have come already less likely; 1 leaves them.
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub repetition_penalty: Option<f32>,
    /// Lowers a token's score by this for each time it has come.
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub frequency_penalty: Option<f32>,
    /// Lowers a token's score by this if it has come.
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub presence_penalty: Option<f32>,
    /// Added to a token's score, from -100 to 100; may be given for several tokens.
    #[arg(long, value_name = "ID=BIAS", value_parser = token_bias)]
    pub logit_bias: Vec<(u32, f32)>,
    /// With --json, the log-probability of each token, and of the N likeliest in its place, before bias and penalties.
    #[arg(long, value_name = "N", requires = "json")]
    pub top_logprobs: Option<u32>,
    /// The same seed gives the same text on the same device.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

fn token_bias(text: &str) -> Result<(u32, f32), String> {
    let read = |(token, bias): (&str, &str)| Some((token.parse().ok()?, bias.parse().ok()?));
    text.split_once('=').and_then(read).ok_or_else(|| "expected a token's id and a number, such as 262=-100".into())
}

impl Sampling {
    fn options(&self) -> sampler::Options {
        let usual = sampler::Options::default();
        sampler::Options {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_k: self.top_k.unwrap_or(usual.top_k),
            top_p: self.top_p.unwrap_or(usual.top_p),
            min_p: self.min_p.unwrap_or(usual.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(usual.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(usual.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(usual.presence_penalty),
            logit_bias: self.logit_bias.clone(),
            top_logprobs: self.top_logprobs,
            seed: self.seed.unwrap_or(usual.seed),
        }
    }
}

impl Generate {
    pub fn options(&self) -> GenerateOptions {
        GenerateOptions {
            sampling: self.sampling.options(),
            max_tokens: self.max_tokens,
            stop: self.stop.clone(),
            ignore_eos: self.ignore_eos,
        }
    }
}

#[derive(Debug, Args)]
pub struct Logits {
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub input: LogitsInput,
    /// The file to write: NumPy's .npy, f32 [tokens, vocab].
    #[arg(long, value_name = "FILE.npy")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct LogitsInput {
    /// The text to score.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// The tokens to score, with commas between them.
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    pub tokens: Option<Vec<u32>>,
}

#[derive(Debug, Args)]
pub struct Tokenize {
    #[command(flatten)]
    pub model: Model,
    #[arg(long)]
    pub text: String,
}

#[derive(Debug, Args)]
pub struct Perplexity {
    /// The text is scored in windows of --context tokens.
    #[command(flatten)]
    pub model: Model,
    /// A file of UTF-8 text.
    #[arg(long, value_name = "TEXTFILE")]
    pub file: PathBuf,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub model: Model,
    /// Times a single prompt of N tokens, and the answer to it [default, with --new-tokens alone: 128].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt_tokens: Option<u32>,
    /// Tokens to generate after it, or after each of --decode [default: 64, after each 16].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub new_tokens: Option<u32>,
    /// Lengths of the prompts to time [default: 32,128,512].
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "prompt_tokens")]
    pub prefill: Option<Vec<u32>>,
    /// Cached positions to time decoding at [default: 64,1024].
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "prompt_tokens")]
    pub decode: Option<Vec<u32>>,
    /// How often each is timed [default: 3, of a single prompt 1].
    #[arg(long, value_name = "N")]
    pub runs: Option<u32>,
    /// Holds every result of the GPU back for so long: tokens a second should not fall until the delay passes what is on
    /// its way meanwhile.
    #[arg(long, value_name = "MS")]
    pub readback_delay_ms: Option<u64>,
    /// Times each dispatch of a pass too, where the device gives timestamps.
    #[arg(long)]
    pub profile: bool,
    /// Holds each kernel against what the adapter gives at best.
    #[arg(long)]
    pub roofline: bool,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    pub model: Model,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Tune {
    /// What is found is kept for later loads, unless --tuning says otherwise; its FILE says what to begin with.
    #[command(flatten)]
    pub model: Model,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Writes the choices to a file, for --tuning.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Predict {
    /// Cached positions that the answer's tokens follow.
    #[arg(long, value_name = "N", default_value_t = 255, value_parser = clap::value_parser!(u32).range(..1024))]
    pub position: u32,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}
