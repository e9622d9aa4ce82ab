//! What stands in the cache, kept while others use it or saved for another time -> the same again, to the bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use oriel::kernels::CacheFormat;
use oriel::sampler;
use oriel::session::{CachePrecision, Chunk, Device, GenerateOptions, Generation, LoadOptions, Loading, Model};
use pollster::block_on;

const ROOM: usize = 64 << 20;

fn load(options: LoadOptions, name: &str) -> Model {
    let bytes = std::fs::read(format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut loading = block_on(Loading::new(options)).unwrap();
    loading.begin(name, Some(bytes.len() as u64)).unwrap();
    bytes.chunks(9973).for_each(|chunk| loading.push(chunk).unwrap());
    loading.end().unwrap();
    block_on(loading.finish()).unwrap()
}

fn on(device: Device) -> LoadOptions {
    LoadOptions { device, ..LoadOptions::default() }
}

fn start(model: &Model, prompt: &[u32], max_tokens: u32) -> Generation {
    let sampling = sampler::Options { top_logprobs: Some(3), ..sampler::Options::default() };
    let options = GenerateOptions { sampling, max_tokens, ignore_eos: true, ..GenerateOptions::default() };
    model.start(prompt, options).unwrap()
}

fn rest(model: &mut Model, answer: &mut Generation) -> Vec<Chunk> {
    std::iter::from_fn(|| {
        block_on(model.bring(answer)).unwrap();
        block_on(model.next(answer)).unwrap()
    })
    .collect()
}

/// What is asked after `prompt`, of a model that has nothing in its cache.
fn alone(options: LoadOptions, prompt: &[u32]) -> Vec<Chunk> {
    let mut model = load(options, "llama.gguf");
    let mut answer = start(&model, prompt, 24);
    rest(&mut model, &mut answer)
}

/// An answer of 24 tokens to each prompt, three steps of each at a time.
fn take_turns(model: &mut Model, prompts: &[Vec<u32>]) -> Vec<(Generation, Vec<Chunk>)> {
    let mut answers: Vec<_> = prompts.iter().map(|prompt| (start(model, prompt, 24), Vec::new())).collect();
    for _ in 0..8 {
        for (answer, chunks) in &mut answers {
            for _ in 0..3 {
                block_on(model.bring(answer)).unwrap();
                chunks.extend(block_on(model.next(answer)).unwrap());
            }
        }
    }
    answers
}

#[test]
fn answers_that_take_turns_are_as_if_they_were_alone() {
    for device in [Device::Gpu, Device::Cpu, Device::Reference] {
        let prompts: Vec<Vec<u32>> = (0..3).map(|first| (3 + first..43 + first).collect()).collect();
        let mut model = load(on(device), "llama.gguf");
        model.keep_caches(ROOM);
        for ((answer, chunks), prompt) in take_turns(&mut model, &prompts).iter().zip(&prompts) {
            assert_eq!(answer.tokens().len(), 24);
            assert_eq!(*chunks, alone(on(device), prompt), "{device:?}");
        }
    }
}

#[test]
fn what_is_short_is_kept_for_an_answer_and_no_longer() {
    let mut model = load(on(Device::Gpu), "llama.gguf");
    model.keep_caches(ROOM);
    // Both begin alike, and what each has of its own is short.
    let prompts = [vec![3, 4, 5, 6, 7], vec![3, 4, 5, 8, 9]];
    for ((answer, chunks), prompt) in take_turns(&mut model, &prompts).iter().zip(&prompts) {
        assert_eq!(*chunks, alone(on(Device::Gpu), prompt));
        model.release(answer);
    }
    let mut other = start(&model, &[9, 9, 9], 2);
    rest(&mut model, &mut other);
    let mut again = start(&model, &prompts[0], 2);
    rest(&mut model, &mut again);
    assert_eq!(again.timings().cached_tokens, 0);
}

#[test]
fn without_room_turns_are_computed_again() {
    let mut model = load(on(Device::Cpu), "llama.gguf");
    let (first, second): (Vec<u32>, Vec<u32>) = ((3..43).collect(), (4..44).collect());
    for prompt in [&first, &second, &first] {
        let mut answer = start(&model, prompt, 2);
        rest(&mut model, &mut answer);
        assert_eq!(answer.timings().cached_tokens, 0);
    }
    model.keep_caches(ROOM);
    for (prompt, cached) in [(&first, 39), (&second, 0), (&first, 39), (&second, 39)] {
        let mut answer = start(&model, prompt, 2);
        rest(&mut model, &mut answer);
        assert_eq!(answer.timings().cached_tokens, cached);
    }
}

#[test]
fn a_saved_cache_goes_on_elsewhere_to_the_bit() {
    for device in [Device::Gpu, Device::Cpu, Device::Reference] {
        for cache in [CacheFormat::F32, CacheFormat::F16] {
            let options = LoadOptions { cache: CachePrecision::Only(cache), ..on(device) };
            let mut model = load(options, "llama.gguf");
            let prompt: Vec<u32> = (3..43).collect();
            let mut first = start(&model, &prompt, 9);
            let chunks = rest(&mut model, &mut first);
            let told: Vec<u32> = chunks.iter().map(|chunk| chunk.token).collect();
            let next = [&prompt[..], &told[..7], &[7, 8, 9]].concat();
            let saved = block_on(model.save_cache(&next)).unwrap();
            let mut here = start(&model, &next, 9);
            let expected = rest(&mut model, &mut here);
            // With less room than where it was saved.
            let mut other = load(LoadOptions { context: Some(80), ..options }, "llama.gguf");
            assert_eq!(block_on(other.load_cache(&saved)).unwrap(), 47);
            let mut there = start(&other, &next, 9);
            assert_eq!(rest(&mut other, &mut there), expected, "{device:?}, {cache:?}");
            assert_eq!(there.timings().cached_tokens, 47);
            assert!(other.changed().is_some_and(|change| change.passes.len() > 2));
        }
    }
}

#[test]
fn what_is_not_kept_saves_nothing() {
    let mut model = load(on(Device::Cpu), "llama.gguf");
    let saved = block_on(model.save_cache(&[5, 6])).unwrap();
    assert_eq!(block_on(model.load_cache(&saved)).unwrap(), 0);
}

#[test]
fn passes_that_could_not_be_run_again_are_refused() {
    let mut model = load(on(Device::Cpu), "llama.gguf");
    let mut answer = start(&model, &(3..43).collect::<Vec<u32>>(), 1);
    rest(&mut model, &mut answer);
    let departs: Vec<u32> = (3..23).chain(60..70).collect();
    let saved = block_on(model.save_cache(&departs)).unwrap();
    assert_eq!(block_on(model.load_cache(&saved)).unwrap(), 20);
    let mut small = load(LoadOptions { context: Some(30), ..on(Device::Cpu) }, "llama.gguf");
    let error = block_on(small.load_cache(&saved)).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("40 positions")), ("context-full", true));
}

#[test]
fn what_is_set_aside_comes_back() {
    let mut model = load(on(Device::Cpu), "llama.gguf");
    model.keep_caches(ROOM);
    let prompt: Vec<u32> = (3..43).collect();
    let mut first = start(&model, &prompt, 24);
    block_on(model.bring(&first)).unwrap();
    let mut chunks = vec![block_on(model.next(&mut first)).unwrap().unwrap()];
    block_on(model.set_aside()).unwrap();
    model.forget();
    let mut other = start(&model, &[9, 8, 7], 2);
    while block_on(model.next(&mut other)).unwrap().is_some() {}
    chunks.extend(rest(&mut model, &mut first));
    assert_eq!(chunks, alone(on(Device::Cpu), &prompt));
    let mut again = start(&model, &prompt, 1);
    rest(&mut model, &mut again);
    assert_eq!(again.timings().cached_tokens, 39);
}

#[test]
fn a_saved_cache_of_something_else_is_refused() {
    let mut model = load(on(Device::Cpu), "llama.gguf");
    let prompt: Vec<u32> = (3..43).collect();
    let mut answer = start(&model, &prompt, 3);
    rest(&mut model, &mut answer);
    let saved = block_on(model.save_cache(&prompt)).unwrap();
    let refusal = |model: &mut Model, bytes: &[u8]| {
        let error = block_on(model.load_cache(bytes)).unwrap_err();
        (error.code(), error.to_string())
    };
    for length in [0, 3, 44, saved.len() - 4, saved.len() - 1] {
        assert_eq!(refusal(&mut model, &saved[..length]).0, "file-damaged");
    }
    for place in [0, 4, 8, 40, 44, 60, saved.len() - 20, saved.len() - 1] {
        let mut other = saved.clone();
        other[place] ^= 1;
        assert!(["file-damaged", "model-mismatch"].contains(&refusal(&mut model, &other).0), "byte {place}");
    }
    let (code, message) = refusal(&mut load(on(Device::Cpu), "qwen2.gguf"), &saved);
    assert_eq!((code, message.contains("another model")), ("model-mismatch", true));
    let (code, message) = refusal(&mut load(on(Device::Gpu), "llama.gguf"), &saved);
    assert_eq!((code, message.contains("another kind of device")), ("model-mismatch", true));
    let small = LoadOptions { context: Some(16), ..on(Device::Cpu) };
    let (code, message) = refusal(&mut load(small, "llama.gguf"), &saved);
    assert_eq!((code, message.contains("40 positions, the context 16")), ("context-full", true));
    // Whoever has the first bytes need not take in the rest.
    let head = &saved[..64];
    assert!(model.check_saved(head, saved.len() as u64).is_ok());
    assert_eq!(model.check_saved(head, 1 << 40).unwrap_err().code(), "file-damaged");
    assert_eq!(model.check_saved(&head[..40], 40).unwrap_err().code(), "file-damaged");
    // What was there is there still.
    let mut answer = start(&model, &prompt, 3);
    rest(&mut model, &mut answer);
    assert_eq!(answer.timings().cached_tokens, 39);
}
