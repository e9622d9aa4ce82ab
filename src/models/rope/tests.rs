//! Frequencies against those that `transformers` 5.23 computes (`ROPE_INIT_FUNCTIONS`) for heads of 12 and 1,024 positions.

use super::*;
use crate::format::Encoding;
use crate::manifest::{Manifest, Settings, Source, TensorEntry};
use serde_json::{Value, json};

fn manifest(source: Source, values: &Value, tensors: &[&str]) -> Manifest {
    let entry = |name: &&str| TensorEntry {
        name: name.to_string(),
        shape: vec![6],
        encoding: Encoding::F32,
        file: 0,
        offset: 0,
        bytes: 24,
    };
    let settings = Settings { source, values: values.as_object().unwrap().clone() };
    Manifest { architecture: "llama".into(), settings, tensors: tensors.iter().map(entry).collect() }
}

fn hugging_face(rope: Value) -> Result<Rope> {
    Rope::read(&manifest(Source::HuggingFace, &json!({ "rope_scaling": rope }), &[]), 12, 1024)
}

fn gguf(values: Value, tensors: &[&str]) -> Result<Rope> {
    Rope::read(&manifest(Source::Gguf, &values, tensors), 12, 1024)
}

/// The table's angles at position 1, and the length of its pairs.
#[track_caller]
fn assert_turns(rope: &Rope, context: u32, expected: [f64; 6], attention: f64) {
    let data = rope.constant(context, &|_| None).unwrap().data;
    assert_eq!(data.len(), context as usize * 12);
    for (pair, expected) in data[12..24].chunks(2).zip(expected) {
        let (cosine, sine) = (f64::from(pair[0]), f64::from(pair[1]));
        assert!((cosine.hypot(sine) - attention).abs() < 1e-6, "length {}", cosine.hypot(sine));
        assert!((sine.atan2(cosine) - expected).abs() < 1e-6, "{} is not {expected}", sine.atan2(cosine));
    }
}

const LINEAR: [f64; 6] = [0.25, 0.0538608618, 0.011603971, 0.00249999994, 0.000538608583, 0.000116039737];
const YARN: [f64; 6] = [1.0, 0.161582574, 0.0232079402, 0.00249999994, 0.000538608583, 0.000116039737];
const YARN_ATTENTION: f64 = 1.138629436111989;

#[test]
fn linear_divides_every_frequency() {
    assert_turns(&hugging_face(json!({ "type": "linear", "factor": 4.0 })).unwrap(), 1024, LINEAR, 1.0);
    assert_turns(&gguf(json!({ "rope.scaling.factor": 4.0 }), &[]).unwrap(), 1024, LINEAR, 1.0);
    let unscaled = LINEAR.map(|frequency| frequency * 4.0);
    let none = json!({ "rope.scaling.type": "none", "rope.scaling.factor": 4.0 });
    assert_turns(&gguf(none, &[]).unwrap(), 64, unscaled, 1.0);
}

#[test]
fn theta_and_rotary_width_come_from_either_source() {
    let theta = 500_000.0;
    let expected: [f64; 6] = std::array::from_fn(|pair| f64::powf(theta, -2.0 * pair as f64 / 12.0));
    assert_turns(&gguf(json!({ "rope.freq_base": theta }), &[]).unwrap(), 8, expected, 1.0);
    assert_turns(&hugging_face(json!({ "rope_theta": theta })).unwrap(), 8, expected, 1.0);
    let older = manifest(Source::HuggingFace, &json!({ "rope_theta": theta, "rope_scaling": null }), &[]);
    assert_turns(&Rope::read(&older, 12, 1024).unwrap(), 8, expected, 1.0);
    assert_eq!(gguf(json!({ "rope.dimension_count": 8 }), &[]).unwrap().rotary, 8);
    let partial = manifest(Source::HuggingFace, &json!({ "partial_rotary_factor": 0.5 }), &[]);
    assert_eq!(Rope::read(&partial, 12, 1024).unwrap().rotary, 6);
}

#[test]
fn llama3_keeps_short_waves() {
    let rope = hugging_face(json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64, "rope_theta": 500000.0
    }));
    let expected = [1.0, 0.0187231898, 0.00157490105, 0.000176776681, 1.98425078e-05, 2.22724748e-06];
    assert_turns(&rope.unwrap(), 16, expected, 1.0);
}

#[test]
fn yarn_ramps_between_kept_and_divided() {
    let rope = json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256 });
    assert_turns(&hugging_face(rope).unwrap(), 1024, YARN, YARN_ATTENTION);
    let rope = json!({
        "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 256
    });
    assert_turns(&gguf(rope, &[]).unwrap(), 1024, YARN, YARN_ATTENTION);
    let exact = json!({
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256, "truncate": false,
        "beta_fast": 16, "beta_slow": 2, "mscale": 0.7, "mscale_all_dim": 0.4
    });
    let expected = [1.0, 0.168793753, 0.011603971, 0.00249999994, 0.000538608583, 0.000116039737];
    assert_turns(&hugging_face(exact).unwrap(), 1024, expected, 1.0394038191422568);
}

#[test]
fn longrope_has_a_list_for_either_context() {
    let rope = hugging_face(json!({
        "rope_type": "longrope", "original_max_position_embeddings": 128,
        "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 2.0], "long_factor": [1.0, 1.5, 2.0, 4.0, 6.0, 8.0]
    }));
    let rope = rope.unwrap();
    let short = [1.0, 0.195857689, 0.0386799015, 0.0076923077, 0.00143628952, 0.000232079474];
    let long = [1.0, 0.14362897, 0.023207942, 0.00249999994, 0.000359072379, 5.80198684e-05];
    assert_turns(&rope, 128, short, 1.1952286093343936);
    assert_turns(&rope, 129, long, 1.1952286093343936);
}

#[test]
fn a_tensor_of_divisors_is_kept_and_used() {
    let rope = gguf(json!({}), &["rope_freqs.weight"]).unwrap();
    assert_eq!(rope.kept(), ["rope_freqs.weight"]);
    assert_eq!(rope.specs().next().unwrap().shape, Shape::Vector { width: 6 });
    let tensor = |name: &str| (name == "rope_freqs.weight").then(|| vec![1.0, 2.0, 4.0, 8.0, 8.0, 8.0]);
    let data = rope.constant(2, &tensor).unwrap().data;
    assert!((data[15] - (10_000f32.powf(-1.0 / 6.0) / 2.0).sin()).abs() < 1e-6);
    let lost = rope.constant(2, &|_| None).unwrap_err();
    assert_eq!(lost.to_string(), "the values of rope_freqs.weight were not kept");
    let short = rope.constant(2, &|_| Some(vec![1.0; 5])).unwrap_err();
    assert_eq!(short.to_string(), "rope_freqs.weight has 5 values, expected 6");
    let zero = rope.constant(2, &|_| Some(vec![0.0; 6])).unwrap_err();
    assert_eq!(zero.to_string(), "rope_freqs.weight holds 0, expected positive numbers");
}

#[test]
fn what_is_not_supported_is_named() {
    let refusals = [
        (json!({ "rope_type": "mrope" }), "setting rope_type is \"mrope\"; supported: default, linear, dynamic"),
        (json!({ "mrope_section": [16, 24, 24] }), "setting rope_scaling is \"mrope_section\"; supported: rope_type"),
        (json!({ "rope_type": "linear" }), "setting factor of rope_scaling is missing"),
        (json!({ "rope_type": "linear", "factor": -1 }), "setting factor is -1, expected more than 0"),
        (json!({ "rope_type": "longrope", "short_factor": [1] }), "short_factor has 1 values, expected 6"),
        (json!({ "rope_theta": 0.5 }), "rope theta 0.5 with attention factor 1 is out of range"),
        (json!({ "partial_rotary_factor": 0.6 }), "7 values of heads of 12 cannot be rotated in pairs"),
        (json!([1]), "setting rope_scaling is [1], expected an object"),
    ];
    for (settings, message) in refusals {
        let error = hugging_face(settings).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let error = gguf(json!({ "rope.scaling.type": "ntk" }), &[]).unwrap_err();
    assert_eq!(error.to_string(), "setting rope.scaling.type is \"ntk\"; supported: none, linear, yarn, longrope");
}

#[test]
fn a_context_out_of_reach_is_refused() {
    let dynamic = hugging_face(json!({ "rope_type": "dynamic", "factor": 2.0 })).unwrap();
    assert_turns(&dynamic, 1024, LINEAR.map(|frequency| frequency * 4.0), 1.0);
    assert_eq!(dynamic.constant(1025, &|_| None).unwrap_err().code(), "option");
    let plain = gguf(json!({}), &[]).unwrap();
    assert_eq!(plain.constant(u32::MAX, &|_| None).unwrap_err().code(), "out-of-memory");
}
