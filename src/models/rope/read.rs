//! `config.json`'s `rope_scaling` or `rope_parameters`, or GGUF's `rope.*` -> [`Rope`].

use super::{Divisor, Divisors, Rope, Scaling, checked_divisors};
use crate::manifest::{Manifest, Settings, Source};
use crate::models::tensors::holds;
use crate::{Error, Result};
use serde_json::{Map, Value};

const DEFAULT_THETA: f64 = 10_000.0;

/// Tensors of a GGUF file that hold a divisor for each pair: of Llama 3.1's kind, and LongRoPE's two.
const FREQS: &str = "rope_freqs.weight";
const SHORT: &str = "rope_factors_short.weight";
const LONG: &str = "rope_factors_long.weight";

/// Everything that may stand among Hugging Face's rotary settings.
const KNOWN: &[&str] = &[
    "rope_type",
    "type",
    "rope_theta",
    "partial_rotary_factor",
    "factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "short_factor",
    "long_factor",
    "low_freq_factor",
    "high_freq_factor",
    "finetuned",
];

impl Rope {
    /// From a checkpoint's settings, for heads of `head_width` and a model trained for `trained` positions.
    ///
    /// # Errors
    /// `Unsupported` for a kind of scaling that is not known here; `Model` for values that are missing or out of range.
    pub fn read(manifest: &Manifest, head_width: u32, trained: u32) -> Result<Rope> {
        let rope = match manifest.settings.source {
            Source::Gguf => from_gguf(manifest, head_width, trained)?,
            Source::HuggingFace => from_hugging_face(&manifest.settings, head_width, trained)?,
        };
        if rope.rotary > head_width || rope.rotary % 2 == 1 || rope.rotary == 0 {
            let rotary = rope.rotary;
            return Err(Error::Model(format!("{rotary} values of heads of {head_width} cannot be rotated in pairs")));
        }
        if !(rope.theta.is_finite() && rope.theta > 1.0 && rope.attention.is_finite() && rope.attention > 0.0) {
            let (theta, attention) = (rope.theta, rope.attention);
            return Err(Error::Model(format!("rope theta {theta} with attention factor {attention} is out of range")));
        }
        Ok(rope)
    }
}

fn from_gguf(manifest: &Manifest, head_width: u32, trained: u32) -> Result<Rope> {
    let settings = &manifest.settings;
    let rotary = settings.size_or(&["rope.dimension_count"], head_width)?;
    let theta = settings.number_or(&["rope.freq_base"], DEFAULT_THETA)?;
    let original = settings.size_or(&["rope.scaling.original_context_length"], trained)?;
    let factor = match settings.number_or(&["rope.scaling.factor", "rope.scale_linear"], 1.0)? {
        0.0 => 1.0, // how some converters say that there is none
        _ => positive(settings, &["rope.scaling.factor", "rope.scale_linear"], 1.0)?,
    };
    let mut attention = settings.number_or(&["rope.scaling.attn_factor"], 1.0)?;
    let scaling = match settings.text(&["rope.scaling.type"])?.unwrap_or("linear") {
        "none" => Scaling::None,
        "linear" | "longrope" if factor == 1.0 => Scaling::None,
        "linear" | "longrope" => Scaling::Linear { factor },
        "yarn" => {
            attention *= yarn_attention(factor, 1.0);
            let beta_fast = positive(settings, &["rope.scaling.yarn_beta_fast"], 32.0)?;
            let beta_slow = positive(settings, &["rope.scaling.yarn_beta_slow"], 1.0)?;
            Scaling::Yarn { factor, original: f64::from(original), beta_fast, beta_slow, truncate: true }
        }
        other => return Err(unknown("rope.scaling.type", other, "none, linear, yarn, longrope")),
    };
    let divisors = if holds(manifest, FREQS) {
        Divisors::Tensor(FREQS)
    } else if holds(manifest, SHORT) || holds(manifest, LONG) {
        Divisors::ByContext { short: Divisor::Tensor(SHORT), long: Divisor::Tensor(LONG), original }
    } else {
        Divisors::One
    };
    Ok(Rope { rotary, theta, scaling, divisors, attention })
}

fn from_hugging_face(settings: &Settings, head_width: u32, trained: u32) -> Result<Rope> {
    let rope = rotary_settings(settings)?;
    let theta = match rope.get(&["rope_theta"]) {
        Some(_) => rope.number_or(&["rope_theta"], DEFAULT_THETA)?,
        None => settings.number_or(&["rope_theta"], DEFAULT_THETA)?,
    };
    let partial = match rope.get(&["partial_rotary_factor"]) {
        Some(_) => rope.number_or(&["partial_rotary_factor"], 1.0)?,
        None => settings.number_or(&["partial_rotary_factor"], 1.0)?,
    };
    let rotary = (f64::from(head_width) * partial) as u32;
    let original = match settings.get(&["original_max_position_embeddings"]) {
        Some(_) => settings.size(&["original_max_position_embeddings"])?,
        None => rope.size_or(&["original_max_position_embeddings"], trained)?,
    };
    let plain = Rope { rotary, theta, scaling: Scaling::None, divisors: Divisors::One, attention: 1.0 };
    match rope.text(&["rope_type", "type"])?.unwrap_or("default") {
        "default" => Ok(plain),
        "linear" => Ok(Rope { scaling: Scaling::Linear { factor: required(&rope, "factor")? }, ..plain }),
        "dynamic" => Ok(Rope { scaling: Scaling::Dynamic { trained }, ..plain }),
        "llama3" => Ok(Rope { scaling: llama3(&rope, original)?, ..plain }),
        "yarn" => yarn(&rope, original, trained, plain),
        "longrope" | "su" => longrope(&rope, original, trained, plain),
        other => Err(unknown("rope_type", other, "default, linear, dynamic, llama3, yarn, longrope")),
    }
}

/// The rotary settings that stand together, under their old name or their new one; empty where there are none.
fn rotary_settings(settings: &Settings) -> Result<Settings> {
    let values = match settings.get(&["rope_scaling", "rope_parameters"]) {
        None => Map::new(),
        Some(Value::Object(values)) => values.clone(),
        Some(other) => return Err(Error::Model(format!("setting rope_scaling is {other}, expected an object"))),
    };
    match values.iter().find(|(name, value)| !KNOWN.contains(&name.as_str()) && !value.is_null()) {
        Some((name, _)) => Err(unknown("rope_scaling", name, &KNOWN.join(", "))),
        None => Ok(Settings { source: settings.source, values }),
    }
}

fn llama3(rope: &Settings, original: u32) -> Result<Scaling> {
    let low = required(rope, "low_freq_factor")?;
    let high = required(rope, "high_freq_factor")?;
    if high <= low {
        return Err(Error::Model(format!("setting high_freq_factor is {high}, expected more than {low}")));
    }
    Ok(Scaling::Llama3 { factor: required(rope, "factor")?, low, high, original: f64::from(original) })
}

fn yarn(rope: &Settings, original: u32, trained: u32, plain: Rope) -> Result<Rope> {
    let factor = positive(rope, &["factor"], f64::from(trained) / f64::from(original))?;
    let mscale = rope.number_or(&["mscale"], 0.0)?;
    let mscale_all = rope.number_or(&["mscale_all_dim"], 0.0)?;
    let usual = if mscale != 0.0 && mscale_all != 0.0 {
        yarn_attention(factor, mscale) / yarn_attention(factor, mscale_all)
    } else {
        yarn_attention(factor, 1.0)
    };
    let attention = rope.number_or(&["attention_factor"], usual)?;
    let beta_fast = positive(rope, &["beta_fast"], 32.0)?;
    let beta_slow = positive(rope, &["beta_slow"], 1.0)?;
    let truncate = rope.flag_or(&["truncate"], true)?;
    let scaling = Scaling::Yarn { factor, original: f64::from(original), beta_fast, beta_slow, truncate };
    Ok(Rope { scaling, attention, ..plain })
}

/// What YaRN multiplies cosines and sines by, so that attention keeps its sharpness in a longer context.
fn yarn_attention(factor: f64, mscale: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 }
}

fn longrope(rope: &Settings, original: u32, trained: u32, plain: Rope) -> Result<Rope> {
    let factor = positive(rope, &["factor"], f64::from(trained) / f64::from(original))?;
    let usual = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / f64::from(original).ln()).sqrt() };
    let attention = rope.number_or(&["attention_factor"], usual)?;
    let list = |name: &str| {
        let values = rope.get(&[name]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let values = values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect();
        checked_divisors(name, plain.rotary, values).map(Divisor::Values)
    };
    let divisors = Divisors::ByContext { short: list("short_factor")?, long: list("long_factor")?, original };
    Ok(Rope { divisors, attention, ..plain })
}

fn required(settings: &Settings, name: &str) -> Result<f64> {
    match settings.get(&[name]) {
        Some(_) => positive(settings, &[name], 1.0),
        None => Err(Error::Model(format!("setting {name} of rope_scaling is missing"))),
    }
}

fn positive(settings: &Settings, names: &[&str], default: f64) -> Result<f64> {
    let number = settings.number_or(names, default)?;
    if number > 0.0 {
        return Ok(number);
    }
    Err(Error::Model(format!("setting {} is {number}, expected more than 0", names.join(" or "))))
}

fn unknown(setting: &str, value: &str, supported: &str) -> Error {
    Error::Unsupported(format!("setting {setting} is {value:?}; supported: {supported}"))
}
