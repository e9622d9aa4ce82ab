//! An answer broken off, its cache told of by a ledger -> the same answer, to the bit, on a device that knew nothing of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use oriel::sampler;
use oriel::session::{Chunk, Device, GenerateOptions, Generation, LoadOptions, Loading, Model, Pass, Tune};
use pollster::block_on;
use serde_json::Value;

fn load(device: Device, tuning: Option<Value>) -> Model {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/llama.gguf")).unwrap();
    let mut loading = block_on(Loading::new(LoadOptions { device, ..LoadOptions::default() })).unwrap();
    loading.tune(&tuning.map_or(Tune::Start, Tune::Given)).unwrap();
    loading.begin("llama.gguf", Some(bytes.len() as u64)).unwrap();
    loading.push(&bytes).unwrap();
    loading.end().unwrap();
    block_on(loading.finish()).unwrap()
}

/// What a page keeps of a model that may be lost.
#[derive(Clone, Default)]
struct Kept(Vec<Pass>);

impl Kept {
    fn hear(&mut self, model: &mut Model) {
        let Some(change) = model.changed() else { return };
        self.0.retain(|pass| pass.start < change.from);
        if let Some(last) = self.0.last_mut().filter(|last| last.alone) {
            last.tokens.truncate((change.from - last.start) as usize);
        }
        self.0.extend(change.passes);
    }
}

fn options(temperature: f32) -> GenerateOptions {
    let sampling = sampler::Options {
        temperature,
        repetition_penalty: 1.2,
        frequency_penalty: 0.3,
        seed: 5,
        top_logprobs: Some(3),
        ..sampler::Options::default()
    };
    let stop = vec!["\u{1}\u{2}".to_string()];
    GenerateOptions { sampling, max_tokens: 24, ignore_eos: true, stop }
}

/// Steps to the end, or until so many tokens have come and the model is lost.
fn answer(model: &mut Model, kept: &mut Kept, prompt: &[u32], temperature: f32, known: &mut Vec<Chunk>, most: usize) {
    let tokens: Vec<u32> = known.iter().map(|chunk| chunk.token).collect();
    let mut answer = model.resume(prompt, options(temperature), &tokens).unwrap();
    while known.len() < most {
        let Some(chunk) = block_on(model.next(&mut answer)).unwrap() else { break };
        known.push(chunk);
        kept.hear(model);
    }
    assert_eq!(answer.tokens().len(), known.len());
}

/// A prompt of more rows than go through the kernel for few, then a turn that departs from the first one's middle: passes of
/// many rows, of few, and of one stand in the cache.
fn turns(device: Device, temperature: f32, losses: &[usize]) -> Vec<Chunk> {
    let mut model = load(device, None);
    let tuning = model.tuning();
    let (mut kept, mut all) = (Kept::default(), Vec::new());
    let mut prompt: Vec<u32> = (3..23).collect();
    for turn in 0..2 {
        let mut known = Vec::new();
        for &most in losses.iter().chain([&usize::MAX]) {
            answer(&mut model, &mut kept, &prompt, temperature, &mut known, most);
            if most < usize::MAX {
                model = load(device, tuning.clone());
                block_on(model.restore(kept.0.clone())).unwrap();
            }
        }
        let said: Vec<u32> = known.iter().map(|chunk| chunk.token).collect();
        prompt.extend(&said[..10 + turn]);
        prompt.extend([7, 8, 9]);
        all.extend(known);
    }
    assert_eq!(all.len(), 48);
    all
}

#[test]
fn an_answer_goes_on_elsewhere_to_the_bit() {
    for device in [Device::Gpu, Device::Cpu] {
        for temperature in [0.0, 0.9] {
            let whole = turns(device, temperature, &[]);
            assert!(whole.iter().all(|chunk| chunk.logprob.is_some()));
            assert_eq!(turns(device, temperature, &[1, 2, 9, 17, 23]), whole, "{device:?} at {temperature}");
        }
    }
}

/// Three answers by turns of three tokens, each with what it came to; the model is lost after so many rounds of them.
fn by_turns(device: Device, losses: &[usize]) -> Vec<Vec<Chunk>> {
    let prompts: Vec<Vec<u32>> = (0..3).map(|first| (3 + first..43 + first).collect()).collect();
    let mut model = load(device, None);
    let tuning = model.tuning();
    model.keep_caches(64 << 20);
    let mut said: Vec<Vec<Chunk>> = vec![Vec::new(); 3];
    // What stands in the cache, and what stood there at the end of each one's turn.
    let (mut here, mut kept) = (Kept::default(), vec![Kept::default(); 3]);
    let begin = |model: &Model, said: &[Vec<Chunk>]| -> Vec<Generation> {
        let tokens = |chunks: &Vec<Chunk>| chunks.iter().map(|chunk| chunk.token).collect::<Vec<u32>>();
        let both = prompts.iter().zip(said);
        both.map(|(prompt, said)| model.resume(prompt, options(0.0), &tokens(said)).unwrap()).collect()
    };
    let mut answers = begin(&model, &said);
    for round in 0..8 {
        if losses.contains(&round) {
            model = load(device, tuning.clone());
            model.keep_caches(64 << 20);
            kept.iter().for_each(|kept| block_on(model.restore(kept.0.clone())).unwrap());
            answers = begin(&model, &said);
        }
        for ((answer, said), kept) in answers.iter_mut().zip(&mut said).zip(&mut kept) {
            while said.len() < 3 * (round + 1) {
                block_on(model.bring(answer)).unwrap();
                said.extend(block_on(model.next(answer)).unwrap());
                here.hear(&mut model);
                *kept = here.clone();
            }
        }
    }
    said
}

#[test]
fn answers_that_took_turns_go_on_elsewhere_to_the_bit() {
    for device in [Device::Gpu, Device::Cpu] {
        let whole = by_turns(device, &[]);
        assert!(whole.iter().all(|chunks| chunks.len() == 24));
        assert_eq!(by_turns(device, &[2, 3, 6]), whole, "{device:?}");
    }
}

#[test]
fn what_is_of_no_use_is_not_made_again() {
    let mut model = load(Device::Gpu, None);
    let pass = Pass { start: 0, alone: false, tokens: (3..23).collect() };
    block_on(model.restore(vec![pass])).unwrap();
    let before = model.counts().weight_bytes_read;
    let mut answer = model.start(&[40, 41], options(0.0)).unwrap();
    block_on(model.next(&mut answer)).unwrap();
    assert_eq!(answer.timings().cached_tokens, 0);
    let alone = model.counts().weight_bytes_read - before;
    model.forget();
    let before = model.counts().weight_bytes_read;
    let mut answer = model.start(&[40, 41], options(0.0)).unwrap();
    block_on(model.next(&mut answer)).unwrap();
    assert_eq!(model.counts().weight_bytes_read - before, alone);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut model = load(Device::Cpu, None);
    let alone = |start, tokens: &[u32]| Pass { start, alone: true, tokens: tokens.to_vec() };
    let code = |result: oriel::Result<()>| result.unwrap_err().code();
    assert_eq!(code(block_on(model.restore(vec![alone(0, &[1]), alone(5, &[1])]))), "option");
    assert_eq!(code(block_on(model.restore(vec![alone(0, &[u32::MAX])]))), "option");
    assert_eq!(code(block_on(model.restore(vec![alone(0, &[1; 97])]))), "context-full");
    let resume = |tokens: &[u32]| model.resume(&[1, 2], options(0.0), tokens).map(|_| ());
    assert_eq!(code(resume(&[u32::MAX])), "option");
    assert_eq!(code(resume(&[3; 25])), "option");
}
