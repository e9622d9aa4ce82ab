//! Settings of both sources -> specs, plans and refusals. Numbers are judged by `tests/golden.rs`.

use super::*;
use crate::format::{Encoding, Format};
use crate::manifest::{Settings, Source, TensorEntry};
use crate::weights::{Layout, Shape, Spec};
use serde_json::{Value, json};

const LLAMA: &str = r#"{
    "hidden_size": 60, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 12, "num_hidden_layers": 2,
    "intermediate_size": 100, "vocab_size": 211, "max_position_embeddings": 128, "tie_word_embeddings": true
}"#;

const GPT2: &str = r#"{ "n_embd": 60, "n_head": 5, "n_layer": 2, "vocab_size": 211, "n_positions": 128 }"#;

fn with(base: &str, changes: Value) -> Value {
    let mut values: Value = serde_json::from_str(base).unwrap();
    values.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    values
}

fn manifest(architecture: &str, source: Source, values: &Value, names: &[&str]) -> Manifest {
    let named = |name: &str, shape: Vec<u64>| {
        let bytes = shape.iter().product::<u64>() * 4;
        TensorEntry { name: name.into(), shape, encoding: Encoding::F32, file: 0, offset: 0, bytes }
    };
    let mut tensors: Vec<TensorEntry> = names.iter().map(|name| named(name, vec![60])).collect();
    tensors.extend((0..9).map(|number| named(&format!("other.{number}"), vec![1])));
    tensors.push(named("token_embd.weight", vec![211, 60]));
    let settings = Settings { source, values: values.as_object().unwrap().clone() };
    Manifest { architecture: architecture.into(), settings, tensors }
}

fn hugging_face(architecture: &str, values: &Value, names: &[&str]) -> Result<Box<dyn Family>> {
    open(&manifest(architecture, Source::HuggingFace, values, names))
}

fn describe(family: &dyn Family, context: u32, rows: u32, output: Output) -> String {
    let mut catalogue = Catalogue::default();
    for spec in family.specs() {
        if catalogue.find(&spec.name).is_none() {
            catalogue.add(&spec.name, Layout::new(Format::F32, spec.whole(), 1 << 30).unwrap());
        }
    }
    for constant in family.constants(context, &|_| None).unwrap() {
        let shape = Shape::Vector { width: constant.data.len() as u32 };
        catalogue.add(&constant.name, Layout::new(Format::F32, shape, 1 << 30).unwrap());
    }
    family.plan(&catalogue, context, rows, output).unwrap().describe(&catalogue)
}

fn source_name(family: &dyn Family, name: &str) -> Option<String> {
    family.specs().into_iter().find(|spec| spec.name == name).map(|spec| spec.source_name)
}

#[test]
fn every_architecture_plans_what_it_asks_for() {
    for (architecture, _) in FAMILIES {
        let base = if *architecture == "gpt2" { GPT2 } else { LLAMA };
        let family = hugging_face(architecture, &with(base, json!({})), &[]).unwrap();
        let text = describe(family.as_ref(), 64, 1, Output::Last);
        for spec in family.specs().iter().filter(|spec| spec.name.ends_with(".weight")) {
            assert!(text.contains(&spec.name), "{architecture} does not use {}", spec.name);
        }
        assert!(!text.contains("last_row"), "a single row is the last one");
        assert!(describe(family.as_ref(), 64, 8, Output::Last).contains("last [1, 60] = last_row x"));
        assert!(describe(family.as_ref(), 64, 8, Output::All).contains("logits [rows, 211] ="));
    }
}

#[test]
fn gguf_settings_have_their_own_names() {
    let values = json!({
        "embedding_length": 60, "attention.head_count": 6, "attention.head_count_kv": 3, "block_count": 2,
        "feed_forward_length": 100, "context_length": 128, "attention.layer_norm_rms_epsilon": 1e-5
    });
    let family = open(&manifest("llama", Source::Gguf, &values, &[])).unwrap();
    let expected = ModelShape {
        layers: 2,
        width: 60,
        heads: 6,
        kv_heads: 3,
        head_width: 10,
        hidden: 100,
        vocab: 211,
        context: 128,
    };
    assert_eq!(family.shape(), expected);
    let named = |spec: &Spec| spec.run.is_some() || spec.name == spec.source_name;
    assert!(family.specs().iter().all(|spec| named(spec) && !spec.transposed));
    let text = describe(family.as_ref(), 128, 1, Output::Last);
    assert!(text.contains("10 in Adjacent") && text.contains("epsilon 1e-5"));
    let family = open(&manifest("qwen2", Source::Gguf, &values, &[])).unwrap();
    assert!(describe(family.as_ref(), 128, 1, Output::Last).contains("10 in Halves"));
}

#[test]
fn settings_reach_the_plan() {
    for (architecture, _) in FAMILIES {
        let (base, epsilon, activation) = match *architecture {
            "gpt2" => (GPT2, "layer_norm_epsilon", "activation_function"),
            _ => (LLAMA, "rms_norm_eps", "hidden_act"),
        };
        let values = with(base, json!({ epsilon: 3e-4, activation: "gelu" }));
        let text = describe(hugging_face(architecture, &values, &[]).unwrap().as_ref(), 64, 1, Output::Last);
        let norms = text.matches("= rms_norm ").count() + text.matches("= layer_norm ").count();
        assert_eq!(text.matches("epsilon 3e-4").count(), norms, "{architecture}");
        assert_eq!(text.matches("|> geluerf").count(), 2, "{architecture}");
        let values = with(base, json!({ activation: "gelu_new" }));
        let text = describe(hugging_face(architecture, &values, &[]).unwrap().as_ref(), 64, 1, Output::Last);
        assert_eq!(text.matches("|> gelutanh").count(), 2, "{architecture}");
    }
    let unscaled = with(GPT2, json!({ "scale_attn_weights": false, "scale_attn_by_inverse_layer_idx": true }));
    let text = describe(hugging_face("gpt2", &unscaled, &[]).unwrap().as_ref(), 64, 1, Output::Last);
    assert!(text.contains("over cache.0, 5 heads, scale 1\n") && text.contains("over cache.1, 5 heads, scale 0.5\n"));
}

#[test]
fn gpt2_is_found_with_and_without_its_prefix() {
    let values = with(GPT2, json!({}));
    let plain = hugging_face("gpt2", &values, &["wte.weight"]).unwrap();
    assert_eq!(source_name(plain.as_ref(), "blk.1.attn_qkv.weight").unwrap(), "h.1.attn.c_attn.weight");
    let values = with(GPT2, json!({ "tie_word_embeddings": false }));
    let led = hugging_face("gpt2", &values, &["transformer.wte.weight"]).unwrap();
    assert_eq!(source_name(led.as_ref(), "blk.1.attn_qkv.weight").unwrap(), "transformer.h.1.attn.c_attn.weight");
    assert_eq!(source_name(led.as_ref(), "output.weight").unwrap(), "lm_head.weight");
    let transposed = led.specs().into_iter().filter(|spec| spec.transposed).count();
    assert_eq!(transposed, 2 * 4);
}

#[test]
fn a_head_is_tied_by_setting_else_by_what_the_checkpoint_holds() {
    let head = |architecture: &str, base: &str, tied: Value, names: &[&str]| {
        let family = hugging_face(architecture, &with(base, json!({ "tie_word_embeddings": tied })), names).unwrap();
        source_name(family.as_ref(), "output.weight").is_some()
    };
    assert!(!head("llama", LLAMA, json!(true), &["lm_head.weight"]));
    assert!(head("llama", LLAMA, json!(false), &[]), "its absence is then found by the intake");
    assert!(head("llama", LLAMA, json!(null), &["lm_head.weight"]));
    assert!(!head("llama", LLAMA, json!(null), &[]));
    assert!(!head("gpt2", GPT2, json!(null), &["lm_head.weight"]));
}

#[test]
fn biases_follow_the_settings() {
    let count = |changes: Value| {
        let specs = hugging_face("llama", &with(LLAMA, changes), &[]).unwrap().specs();
        specs.iter().filter(|spec| spec.name.ends_with(".bias") && spec.required).count()
    };
    assert_eq!(count(json!({})), 0);
    assert_eq!(count(json!({ "attention_bias": true })), 2 * 4);
    assert_eq!(count(json!({ "attention_bias": true, "mlp_bias": true })), 2 * 7);
}

#[test]
fn what_would_change_the_result_is_refused_by_name() {
    let refusals = [
        (
            json!({ "quantization_config": { "bits": 4 } }),
            "setting quantization_config is {\"bits\":4}, which asks for ",
        ),
        (json!({ "sliding_window": 32 }), "setting sliding_window is 32, which asks for "),
        (json!({ "layer_types": ["full_attention", "sliding_attention"] }), "setting layer_types is ["),
        (json!({ "final_logit_softcapping": 30.0 }), "setting final_logit_softcapping is 30.0, which "),
        (json!({ "attention.value_length": 8 }), "setting attention.value_length is 8, which "),
        (json!({ "hidden_act": "xielu" }), "setting hidden_act is \"xielu\"; supported: silu, "),
        (json!({ "expert_count": 8 }), "setting expert_count is 8, which asks for experts; that is not supported"),
        (json!({ "attention.causal": false }), "setting attention.causal is false, which asks for "),
    ];
    for (changes, message) in refusals {
        let error = hugging_face("llama", &with(LLAMA, changes), &[]).err().expect(message);
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.code(), "unsupported");
    }
    let harmless = json!({
        "sliding_window": 128, "layer_types": ["full_attention"], "final_logit_softcapping": 0, "num_experts": null,
        "logit_scale": 1.0, "attention.causal": true, "attention.value_length": 12
    });
    hugging_face("mistral", &with(LLAMA, harmless), &[]).unwrap();
    let switched_off = json!({ "sliding_window": 32, "use_sliding_window": false });
    hugging_face("qwen2", &with(LLAMA, switched_off), &[]).unwrap();
}

#[test]
fn contradictory_sizes_are_refused() {
    let refusals = [
        (json!({ "num_key_value_heads": 4 }), "6 heads cannot share 4 key and value heads evenly"),
        (json!({ "num_hidden_layers": 1_000_000 }), "1000000 layers in a checkpoint of 10 tensors"),
        (json!({ "head_dim": 1 << 30 }), "rows of nothing, or of more than 1048576 values"),
        (json!({ "head_dim": 11 }), "11 values of heads of 11 cannot be rotated in pairs"),
        (json!({ "vocab_size": null }), "setting vocab_size is missing"),
    ];
    for (changes, message) in refusals {
        let error = hugging_face("llama", &with(LLAMA, changes), &[]).err().expect(message);
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let error = hugging_face("gpt2", &with(GPT2, json!({ "n_head": 7 })), &[]).err().unwrap();
    assert_eq!(error.to_string(), "a width of 60 cannot be shared by 7 heads evenly");
    let family = hugging_face("gpt2", &with(GPT2, json!({})), &[]).unwrap();
    let error = family.plan(&Catalogue::default(), 129, 1, Output::Last).unwrap_err();
    assert_eq!(error.to_string(), "context is 129: the model has learned 128 positions");
}

#[test]
fn an_unknown_architecture_is_told_what_is_known() {
    let error = hugging_face("bert", &with(LLAMA, json!({})), &[]).err().unwrap();
    assert_eq!(error.to_string(), "architecture \"bert\"; supported: gpt2, llama, mistral, qwen2, qwen3");
}
