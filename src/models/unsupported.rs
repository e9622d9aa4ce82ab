//! Settings that ask for arithmetic which no family here has -> an error that names the setting: nothing is ignored.

use crate::manifest::Settings;
use crate::{Error, Result};
use serde_json::Value;

/// The values under which a setting changes nothing.
#[derive(Clone, Copy)]
enum Harmless {
    /// Absent or null only.
    Absent,
    /// False, 0, or an empty list too.
    Off,
    /// 1 too: a factor.
    One,
    /// True too: what every family does.
    On,
}

use Harmless::{Absent, Off, On, One};

/// Settings of either source, and what they ask for.
const REFUSED: &[(&str, Harmless, &str)] = &[
    ("quantization_config", Absent, "weights quantised by another scheme than GGUF's"),
    ("attn_logit_softcapping", Off, "capped attention scores"),
    ("final_logit_softcapping", Off, "capped logits"),
    ("attention.causal", On, "attention to later tokens"),
    ("is_causal", On, "attention to later tokens"),
    ("attention.scale", Off, "attention scores of another scale"),
    ("attention.output_scale", Off, "scaled attention"),
    ("attention.temperature_scale", Off, "attention scores scaled by position"),
    ("attention.temperature_length", Off, "attention scores scaled by position"),
    ("attn_temperature_tuning", Off, "attention scores scaled by position"),
    ("attention.clamp_kqv", Off, "clamped queries, keys and values"),
    ("clip_qkv", Off, "clamped queries, keys and values"),
    ("attention.max_alibi_bias", Off, "attention biased by distance"),
    ("alibi", Off, "attention biased by distance"),
    ("attention_chunk_size", Absent, "attention in chunks"),
    ("no_rope_layers", Off, "layers without rotary positions"),
    ("no_rope_layer_interval", Off, "layers without rotary positions"),
    ("rope.dimension_sections", Absent, "rotary positions in sections"),
    ("rope.scaling.alpha", Off, "rotary frequencies scaled by alpha"),
    ("rope.scaling.yarn_log_multiplier", Off, "YaRN with a logarithmic multiplier"),
    ("rope.scaling.yarn_ext_factor", One, "YaRN with another extrapolation factor"),
    ("rope.scaling.yarn_attn_factor", One, "YaRN with another attention factor"),
    ("logit_scale", One, "scaled logits"),
    ("logits_scaling", One, "scaled logits"),
    ("embedding_scale", One, "scaled embeddings"),
    ("scale_emb", One, "scaled embeddings"),
    ("embedding_multiplier", One, "scaled embeddings"),
    ("residual_scale", One, "scaled residuals"),
    ("scale_depth", Absent, "scaled residuals"),
    ("residual_multiplier", One, "scaled residuals"),
    ("attention_multiplier", Absent, "attention scores of another scale"),
    ("mup_width_multiplier", One, "scaling by mup"),
    ("mup_use_scaling", Off, "scaling by mup"),
    ("expert_count", Off, "experts"),
    ("num_experts", Off, "experts"),
    ("num_local_experts", Off, "experts"),
    ("n_routed_experts", Off, "experts"),
    ("use_parallel_residual", Off, "attention and feed-forward side by side"),
    ("is_encoder_decoder", Off, "an encoder"),
    ("add_cross_attention", Off, "attention to an encoder"),
];

/// Refuses settings that would change the result and that no family carries out.
///
/// # Errors
/// `Unsupported`, naming the setting, its value and what it asks for.
pub fn refuse(settings: &Settings) -> Result<()> {
    for (name, harmless, meaning) in REFUSED {
        match settings.get(&[name]) {
            Some(value) if !harmless.allows(value) => return Err(refused(name, value, meaning)),
            _ => {}
        }
    }
    refuse_layer_types(settings)
}

/// Refuses values of another width than keys'.
///
/// # Errors
/// `Unsupported`, naming the setting.
pub fn refuse_value_width(settings: &Settings, head_width: u32) -> Result<()> {
    match settings.get(&["attention.value_length"]) {
        Some(width) if width.as_u64() != Some(u64::from(head_width)) => {
            Err(refused("attention.value_length", width, &format!("values of another width than keys ({head_width})")))
        }
        _ => Ok(()),
    }
}

/// Refuses attention that sees only the last positions, unless the window holds the whole `context`.
///
/// # Errors
/// `Unsupported`, naming the setting.
pub fn refuse_window(settings: &Settings, context: u32) -> Result<()> {
    const NAMES: [&str; 2] = ["attention.sliding_window", "sliding_window"];
    let Some(window) = settings.get(&NAMES) else { return Ok(()) };
    let in_use = settings.flag_or(&["use_sliding_window"], true)?;
    let narrow = window.as_u64().is_none_or(|window| (1..u64::from(context)).contains(&window));
    if in_use && narrow {
        return Err(refused(NAMES[1], window, &format!("attention to a window of a context of {context}")));
    }
    Ok(())
}

fn refuse_layer_types(settings: &Settings) -> Result<()> {
    let Some(types) = settings.get(&["layer_types"]) else { return Ok(()) };
    let full = |kind: &Value| kind.as_str() == Some("full_attention");
    match types.as_array() {
        Some(kinds) if kinds.iter().all(full) => Ok(()),
        _ => Err(refused("layer_types", types, "layers of other types than full_attention")),
    }
}

fn refused(name: &str, value: &Value, meaning: &str) -> Error {
    let text = value.to_string();
    let shown = text.char_indices().nth(60).map_or(text.clone(), |(end, _)| format!("{}...", &text[..end]));
    Error::Unsupported(format!("setting {name} is {shown}, which asks for {meaning}; that is not supported"))
}

impl Harmless {
    fn allows(self, value: &Value) -> bool {
        let off = match value {
            Value::Bool(on) => !on,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        match self {
            Absent => false,
            Off => off,
            One => value.as_f64() == Some(1.0),
            On => value.as_bool() == Some(true),
        }
    }
}
