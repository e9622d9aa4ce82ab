//! Models whose kernels were measured at load: they answer as the golden values say, and what was measured is used again.

use oriel::kernels::tuning::{Fault, Measured};
use oriel::session::{Device, GenerateOptions, LoadOptions, Loading, Model, Tune};
use oriel::weights::Precision;
use oriel::{Error, Result};
use pollster::block_on;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::Path;

fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name))
        .expect("the golden file is there")
}

fn load(name: &str, device: Device, tune: &Tune) -> Result<Model> {
    load_bytes(name, &read(name), device, tune)
}

fn load_bytes(name: &str, bytes: &[u8], device: Device, tune: &Tune) -> Result<Model> {
    let mut loading =
        block_on(Loading::new(LoadOptions { device, precision: Precision::F32, ..LoadOptions::default() }))?;
    loading.tune(tune)?;
    loading.begin(name, None)?;
    loading.push(bytes)?;
    loading.end()?;
    block_on(loading.finish())
}

/// The same with what was kept; `keep` is told before each try.
fn load_keeping(name: &str, kept: Option<Value>, keep: &impl AsyncFn(Value)) -> Result<Model> {
    let mut loading = block_on(Loading::new(LoadOptions {
        device: Device::Gpu,
        precision: Precision::F32,
        ..LoadOptions::default()
    }))?;
    loading.tune(&Tune::Measure(kept))?;
    loading.begin(name, None)?;
    loading.push(&read(name))?;
    loading.end()?;
    block_on(loading.finish_keeping(keep))
}

fn greedy(model: &mut Model, prompt: &[u32], count: usize) -> Vec<u32> {
    let options = GenerateOptions { max_tokens: count as u32, ignore_eos: true, ..GenerateOptions::default() };
    let mut generation = model.start(prompt, options).expect("it starts");
    while block_on(model.next(&mut generation)).expect("it goes on").is_some() {}
    generation.tokens().to_vec()
}

/// A prompt and the tokens that follow it.
fn golden(name: &str) -> (Vec<u32>, Vec<u32>) {
    let expected: Value = serde_json::from_slice(&read(name)).expect("golden JSON");
    let tokens = |key: &str| serde_json::from_value(expected["cases"][0][key].clone()).expect("tokens");
    (tokens("prompt"), tokens("greedy"))
}

#[test]
fn a_measured_model_answers_as_before_and_what_was_measured_is_not_measured_again() {
    for family in ["llama", "gpt2", "qwen3"] {
        let (file, (prompt, expected)) = (format!("{family}.gguf"), golden(&format!("{family}.json")));
        let mut model = load(&file, Device::Gpu, &Tune::Measure(None)).expect("it loads");
        assert_eq!(greedy(&mut model, &prompt, expected.len()), expected, "{family}, measured");
        let (tuning, tuned) = (model.tuning().expect("a GPU has one"), model.tuned().to_vec());
        assert!(tuned.iter().any(|measured| measured.kind == "matvec"), "{tuned:?}");
        for measured in &tuned {
            assert_eq!(tuning[measured.kind]["shapes"][&measured.shape], measured.chosen);
            assert_eq!(measured.ways[0].name, measured.start);
            assert!(measured.ways.iter().any(|way| way.name == measured.chosen), "{measured:?}");
        }
        assert_eq!(model.info().notice, None);

        let mut again = load(&file, Device::Gpu, &Tune::Measure(Some(tuning.clone()))).expect("it loads");
        assert_eq!((again.tuned(), again.tuning()), (&[][..], Some(tuning.clone())));
        assert_eq!((greedy(&mut again, &prompt, expected.len()), again.info().notice), (expected, None));
    }
}

#[test]
fn a_way_that_two_loads_do_not_survive_is_not_tried_by_the_next() {
    let (prompt, expected) = golden("llama.json");
    // What the next load would find if one that finds `kept` ended in a try.
    let told = |kept: Option<Value>| {
        let told = RefCell::new(Vec::new());
        let model = load_keeping("llama.gguf", kept, &async |tuning| told.borrow_mut().push(tuning)).expect("it loads");
        (model, told.into_inner())
    };
    let (model, first) = told(None);
    let last = first.last().expect("it is told");
    assert_eq!((Some(last), &last["left_out"]), (model.tuning().as_ref(), &json!({})));
    let timed = model.tuned().iter().flat_map(|measured| &measured.ways).filter(|way| way.us.is_some()).count();
    let tries: Vec<_> = first.iter().filter(|tuning| tuning["left_out"] != json!({})).collect();
    assert!(tries.len() >= timed, "{} times for {timed} ways", tries.len());

    for ended in [tries[0], tries[tries.len() - 1]] {
        let (kind, ways) =
            ended["left_out"].as_object().and_then(|kinds| kinds.iter().next()).expect("one was being tried");
        let name = ways.as_object().and_then(|ways| ways.keys().next()).expect("a way");
        assert_eq!(ended["left_out"], json!({ kind: { name: "tried" } }));
        let (model, second) = told(Some(ended.clone()));
        assert!(model.info().notice.is_none(), "{:?}", model.info().notice);
        let lost = json!({ kind: { name: "lost" } });
        let Some(ended) = second.iter().find(|tuning| tuning["left_out"] == lost) else {
            panic!("{kind} {name} was not tried once more");
        };
        assert_eq!(second.last().expect("it is told")["left_out"], json!({}), "it survived");

        let mut model = load("llama.gguf", Device::Gpu, &Tune::Measure(Some(ended.clone()))).expect("it loads");
        let notice = model.info().notice.unwrap_or_default();
        assert!(notice.ends_with(&format!("did not survive: {kind} {name}")), "{notice}");
        let tuning = model.tuning().expect("a GPU has one");
        assert_eq!(tuning["left_out"], lost);
        assert_ne!(&tuning[kind]["usual"], name.as_str());
        let of_kind = || model.tuned().iter().filter(|measured| measured.kind == kind);
        assert!(of_kind().all(|measured| measured.chosen != name));
        let fate = of_kind().flat_map(|measured| &measured.ways).filter(|way| way.name == name);
        assert!(fate.into_iter().all(|way| (way.us, way.fault) == (None, Some(Fault::Lost))), "{:?}", model.tuned());
        assert_eq!(greedy(&mut model, &prompt, expected.len()), expected);
    }
}

#[test]
fn a_model_that_measures_everything_goes_on_as_before() {
    let (prompt, expected) = golden("llama.json");
    let mut model = load("llama.gguf", Device::Gpu, &Tune::Start).expect("it loads");
    assert!(model.tuned().is_empty());
    assert_eq!(greedy(&mut model, &prompt, expected.len()), expected);
    let tuned = block_on(model.tune()).expect("it measures").to_vec();
    assert!(tuned.iter().all(|measured| measured.ways.len() > 1 && measured.ways[0].us.is_some()), "{tuned:?}");
    assert_eq!(greedy(&mut model, &prompt, expected.len()), expected);
}

/// A small Llama that says it has so many positions: none of its weights depends on it.
fn llama_of(context: u32) -> Vec<u8> {
    let (mut bytes, key) = (read("llama.gguf"), b"llama.context_length");
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the key") + key.len();
    let value = at + size_of::<u32>()..at + 2 * size_of::<u32>();
    assert_eq!((&bytes[at..value.start], &bytes[value.clone()]), (&[4, 0, 0, 0][..], &[96, 0, 0, 0][..]));
    bytes[value].copy_from_slice(&context.to_le_bytes());
    bytes
}

#[test]
fn what_the_context_is_too_short_for_is_not_measured_until_there_is_room() {
    let kinds = |tuned: &[Measured]| {
        let mut kinds: Vec<_> = tuned.iter().map(|measured| measured.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    let (prompt, expected) = golden("llama.json");
    for (context, measured) in [
        (48, &["matvec"][..]),
        (511, &["matmul", "matvec"]),
        (512, &["attention", "attention_decode", "matmul", "matvec"]),
    ] {
        let bytes = llama_of(context);
        let mut model = load_bytes("llama.gguf", &bytes, Device::Gpu, &Tune::Start).expect("it loads");
        assert_eq!(kinds(block_on(model.tune()).expect("it measures")), measured, "{context} positions");
        let room = expected.len().min(context as usize - prompt.len());
        assert_eq!(greedy(&mut model, &prompt, room), expected[..room], "{context} positions");
    }
}

#[test]
fn a_kept_tuning_of_another_adapter_is_measured_again_and_a_given_one_is_used_with_a_notice() {
    let foreign = json!({ "oriel": "0.0.0", "adapter": "a card", "matvec": { "usual": "4" } });
    let model = load("llama.gguf", Device::Gpu, &Tune::Measure(Some(foreign.clone()))).expect("it loads");
    assert!(!model.tuned().is_empty() && model.info().notice.is_some_and(|notice| notice.contains("measured again")));

    let model = load("llama.gguf", Device::Gpu, &Tune::Given(foreign)).expect("it loads");
    assert_eq!(model.tuning().expect("a GPU has one")["matvec"]["usual"], "4");
    assert!(model.tuned().is_empty() && model.info().notice.is_some_and(|notice| notice.contains("not measured on")));

    let own = load("llama.gguf", Device::Gpu, &Tune::Start).expect("it loads").tuning().expect("a GPU has one");
    let mut damaged = own.clone();
    damaged["matmul"]["usual"] = json!("3x3");
    let model = load("llama.gguf", Device::Gpu, &Tune::Measure(Some(damaged))).expect("it loads");
    assert!(!model.tuned().is_empty() && model.info().notice.is_some_and(|notice| notice.contains("damaged")));
}

#[test]
fn a_given_tuning_that_is_not_understood_is_refused() {
    let refused = |device, tuning| load("llama.gguf", device, &Tune::Given(tuning)).err();
    for tuning in [json!([]), json!({ "matvec": { "usual": "3" } }), json!({ "matvek": {} }), Value::Null] {
        assert!(matches!(refused(Device::Gpu, tuning), Some(Error::Option(_))));
    }
    assert!(matches!(refused(Device::Cpu, json!({})), Some(Error::Option(_))), "there are no kernels to choose");
    assert!(load("llama.gguf", Device::Cpu, &Tune::Measure(None)).is_ok_and(|model| model.tuning().is_none()));
}
