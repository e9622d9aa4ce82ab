//! Checkpoints and their logits, made by `transformers` (tests/golden/make.py) -> the same plans, logits and tokens, on
//! either executor and from either file type.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use oriel::cpu::Activations;
use oriel::format::Format;
use oriel::fuse::fuse;
use oriel::gguf;
use oriel::manifest::{Manifest, TensorEntry};
use oriel::models;
use oriel::plan::Output;
use oriel::safetensors;
use oriel::session::{Device, GenerateOptions, LoadOptions, Loading, Model};
use oriel::weights::{Catalogue, Layout, Precision, Shape};
use pollster::block_on;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// Bytes that a file is handed over in: no multiple of anything.
const CHUNK: usize = 65_521;

/// How far a logit may be off, by the largest magnitude of its row, with weights and cache in f32. Twenty times what
/// software adapters show.
const RELATIVE: f32 = 1e-4;

/// The same for SmolLM2's own quantised weights, absolute.
const ABSOLUTE: f32 = 0.1;

/// The likeliest token is the reference's wherever that one's margin is larger.
const MARGIN: f32 = 0.05;

#[derive(Deserialize)]
struct Expected {
    vocab: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt: Vec<u32>,
    /// The tokens that follow when the likeliest is always taken.
    greedy: Vec<u32>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every checkpoint: the names of the folders that hold one.
fn checkpoints() -> Vec<String> {
    let folders = std::fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap().path());
    let names = folders.filter(|path| path.join("config.json").exists());
    let names: BTreeSet<String> = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect();
    names.into_iter().collect()
}

/// Where a checkpoint's weights can be loaded from: its folder, and its GGUF file if it has one.
fn sources(name: &str) -> Vec<PathBuf> {
    let twin = golden(&format!("{name}.gguf"));
    [golden(name)].into_iter().chain(twin.exists().then_some(twin)).collect()
}

fn load(path: &Path, options: LoadOptions) -> Model {
    let mut loading = block_on(Loading::new(options)).unwrap();
    let mut weights = vec![path.to_path_buf()];
    if path.is_dir() {
        for name in oriel::session::SIDE_FILES.iter().filter(|name| path.join(name).exists()) {
            loading.side_file(name, &read(&path.join(name))).unwrap();
        }
        weights = loading.wanted().iter().map(|name| path.join(name)).collect();
    }
    for file in weights {
        let bytes = read(&file);
        loading.begin(file.file_name().unwrap().to_str().unwrap(), Some(bytes.len() as u64)).unwrap();
        bytes.chunks(CHUNK).for_each(|chunk| loading.push(chunk).unwrap());
        loading.end().unwrap();
    }
    block_on(loading.finish()).unwrap()
}

fn greedy(model: &mut Model, prompt: &[u32], count: usize) -> Vec<u32> {
    let options = GenerateOptions { max_tokens: count as u32, ignore_eos: true, ..GenerateOptions::default() };
    let mut generation = model.start(prompt, options).unwrap();
    while block_on(model.next(&mut generation)).unwrap().is_some() {}
    generation.tokens().to_vec()
}

fn largest(row: &[f32]) -> f32 {
    row.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Place and value of the greatest, and how far it stands above the next one.
fn top(row: &[f32]) -> (usize, f32) {
    let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]).then(b.cmp(a))).unwrap();
    let second = row.iter().enumerate().filter(|(token, _)| *token != best);
    (best, row[best] - second.fold(f32::MIN, |most, (_, value)| most.max(*value)))
}

/// Panics, saying where, unless every logit is within `bound` of its row.
fn assert_near(what: &str, actual: &[f32], expected: &[f32], vocab: usize, bound: impl Fn(&[f32]) -> f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of logits");
    for (position, (actual, expected)) in actual.chunks(vocab).zip(expected.chunks(vocab)).enumerate() {
        let bound = bound(expected);
        for (token, (actual, expected)) in actual.iter().zip(expected).enumerate() {
            let off = (actual - expected).abs();
            assert!(
                off <= bound,
                "{what}: position {position}, token {token}: {actual}, expected {expected} +- {bound}"
            );
        }
    }
}

fn checkpoints_agree(device: Device) {
    for name in checkpoints() {
        let expected: Expected = serde_json::from_slice(&read(&golden(&format!("{name}.json")))).unwrap();
        let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&read(&golden(&format!("{name}.logits"))));
        for path in sources(&name) {
            let what = path.file_name().unwrap().display().to_string();
            let mut model = load(&path, LoadOptions { device, precision: Precision::F32, ..LoadOptions::default() });
            let mut logits = logits.as_slice();
            for Case { prompt, greedy: continuation } in &expected.cases {
                let (these, rest) = logits.split_at(prompt.len() * expected.vocab);
                logits = rest;
                let actual = block_on(model.logits(prompt)).unwrap();
                assert_near(&what, &actual, these, expected.vocab, |row| RELATIVE * largest(row));
                assert_eq!(&greedy(&mut model, prompt, continuation.len()), continuation, "{what}");
                assert_eq!(continuation.len(), 64);
            }
            assert!(logits.is_empty(), "{what}: more logits than prompts");
        }
    }
}

#[test]
fn checkpoints_agree_on_the_gpu() {
    checkpoints_agree(Device::Gpu);
}

#[test]
fn checkpoints_agree_on_the_processor() {
    checkpoints_agree(Device::Cpu);
}

#[test]
fn checkpoints_agree_on_the_reference() {
    checkpoints_agree(Device::Reference);
}

#[derive(Deserialize)]
struct Real {
    vocab: usize,
    /// Logits are stored as whole numbers of this part of 1.
    steps: f32,
    prompts: Vec<Vec<u32>>,
    chat: Case,
}

impl Real {
    fn read() -> Real {
        serde_json::from_slice(&read(&golden("smollm2.json"))).unwrap()
    }

    fn logits_agree(&self, model: &mut Model, number: usize) {
        let stored: Vec<i16> = bytemuck::pod_collect_to_vec(&read(&golden(&format!("smollm2.{number}.logits"))));
        let expected: Vec<f32> = stored.iter().map(|steps| f32::from(*steps) / self.steps).collect();
        let actual = block_on(model.logits(&self.prompts[number])).unwrap();
        let what = format!("prompt {number}");
        assert_near(&what, &actual, &expected, self.vocab, |_| ABSOLUTE);
        for (actual, expected) in actual.chunks(self.vocab).zip(expected.chunks(self.vocab)) {
            let (token, margin) = top(expected);
            assert!(margin <= MARGIN || top(actual).0 == token, "{what}: expected token {token} by {margin}");
        }
    }
}

fn smollm2(device: Device, activations: Activations) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL);
    assert!(path.exists(), "{MODEL} is missing; `cargo xtask model` brings it");
    load(&path, LoadOptions { device, activations, context: Some(128), ..LoadOptions::default() })
}

fn smollm2_agrees(device: Device, activations: Activations) {
    let (real, mut model) = (Real::read(), smollm2(device, activations));
    for number in 0..real.prompts.len() {
        real.logits_agree(&mut model, number);
    }
    let Case { prompt, greedy: continuation } = &real.chat;
    assert_eq!(&greedy(&mut model, prompt, continuation.len()), continuation);
}

#[test]
fn smollm2_agrees_on_the_gpu() {
    smollm2_agrees(Device::Gpu, Activations::Auto);
}

/// By the way of 16 bits that `auto` may choose: within the same bound, and word for word.
#[test]
fn smollm2_agrees_on_the_gpu_by_whole_numbers() {
    smollm2_agrees(Device::Gpu, Activations::Int16);
}

#[test]
fn smollm2_agrees_on_the_reference() {
    smollm2_agrees(Device::Reference, Activations::Auto);
}

/// By way of 16 bits as well as of f32: both within the bound, and word for word.
#[test]
fn smollm2_agrees_on_the_processor() {
    for activations in [Activations::Auto, Activations::F32] {
        smollm2_agrees(Device::Cpu, activations);
    }
}

/// Perplexity of the first 255 tokens of a text that nobody will change.
fn perplexity(model: &mut Model) -> f64 {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("LICENSE")).unwrap();
    let tokens = &model.text().prompt(&text).unwrap()[..255];
    let (logits, vocab) = (block_on(model.logits(tokens)).unwrap(), model.shape().vocab as usize);
    let surprise = |(row, next): (&[f32], &u32)| {
        let greatest = row.iter().fold(f32::MIN, |most, value| most.max(*value));
        let total: f64 = row.iter().map(|value| f64::from(value - greatest).exp()).sum();
        total.ln() - f64::from(row[*next as usize] - greatest)
    };
    let total: f64 = logits.chunks(vocab).zip(&tokens[1..]).map(surprise).sum();
    (total / (tokens.len() - 1) as f64).exp()
}

#[test]
fn whole_numbers_cost_no_perplexity() {
    let of = |device, activations| {
        let options = LoadOptions { device, activations, context: Some(256), ..LoadOptions::default() };
        perplexity(&mut load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL), options))
    };
    let expected = of(Device::Reference, Activations::Auto);
    assert!((2.0..30.0).contains(&expected), "a model that knows English: {expected}");
    for device in [Device::Cpu, Device::Gpu] {
        for (activations, bound) in [(Activations::F32, 1e-3), (Activations::Int16, 1e-3), (Activations::Int8, 1e-2)] {
            let actual = of(device, activations);
            let what = format!("{device:?}, {activations:?}: {actual}, expected {expected}");
            assert!((actual / expected - 1.0).abs() <= bound, "{what}");
        }
    }
}

/// What a checkpoint is, by the heads of its files.
fn manifest(path: &Path) -> Manifest {
    if path.is_file() {
        return gguf::Head::new().push(&read(path)).unwrap().expect("a whole head").manifest;
    }
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let weights = files.filter(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
    let head = |path: PathBuf| safetensors::Head::new().push(&read(&path)).unwrap().expect("a whole head");
    let entries: Vec<TensorEntry> = weights.flat_map(head).collect();
    safetensors::manifest(&read(&path.join("config.json")), entries).unwrap()
}

/// The pass that takes a prompt and scores its last token, as the family records it and as it is run; and that of one
/// token as it is run.
fn plans(manifest: &Manifest) -> [String; 3] {
    const CONTEXT: u32 = 64;
    let family = models::open(manifest).unwrap();
    let mut catalogue = Catalogue::default();
    let held = |name: &str| manifest.tensors.iter().any(|entry| entry.name == name);
    for spec in family.specs().iter().filter(|spec| spec.required || held(&spec.source_name)) {
        if catalogue.find(&spec.name).is_none() {
            catalogue.add(&spec.name, Layout::new(Format::F32, spec.whole(), 1 << 30).unwrap());
        }
    }
    for constant in family.constants(CONTEXT, &|_| Some(vec![1.0; 6])).unwrap() {
        let shape = Shape::Vector { width: constant.data.len() as u32 };
        catalogue.add(&constant.name, Layout::new(Format::F32, shape, 1 << 30).unwrap());
    }
    let plan = |rows| family.plan(&catalogue, CONTEXT, rows, Output::Last).unwrap();
    let fused = |rows| fuse(&plan(rows), &catalogue).describe(&catalogue);
    [plan(8).describe(&catalogue), fused(8), fused(1)]
}

#[test]
fn plans_are_as_they_were() {
    for name in checkpoints() {
        let [recorded, fused, single] = plans(&manifest(&golden(&name)));
        let text = format!("as recorded\n\n{recorded}\nfused\n\n{fused}\nfused, for one token\n\n{single}");
        let path = golden(&format!("plans/{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = String::from_utf8(read(&path)).unwrap();
        assert!(text == expected, "the plan of {name} differs from {}; UPDATE_GOLDEN=1 accepts it", path.display());
    }
}

#[test]
fn either_file_type_gives_the_same_plan_but_for_the_pairs_of_llama() {
    for name in checkpoints() {
        let expected = plans(&manifest(&golden(&name)));
        for twin in &sources(&name)[1..] {
            let halves = |text: String| text.replace("in Adjacent", "in Halves");
            assert_eq!(plans(&manifest(twin)).map(halves), expected, "{name}");
        }
    }
}

#[test]
fn every_architecture_has_a_checkpoint() {
    let covered: BTreeSet<String> = checkpoints().iter().map(|name| manifest(&golden(name)).architecture).collect();
    let known: BTreeSet<String> = models::supported().map(str::to_string).collect();
    assert_eq!(covered, known);
}
