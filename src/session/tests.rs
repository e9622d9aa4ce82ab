//! A small checkpoint on the reference executor: what the session adds to a forward pass.

use super::bench::{Bench, BenchOptions};
use super::*;
use crate::cpu::Activations;
use crate::sampler;
use crate::weights::Precision;
use crate::{Error, Result};
use pollster::block_on;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::path::PathBuf;

const CPU: LoadOptions = LoadOptions {
    device: Device::Reference,
    precision: Precision::F32,
    cache: CachePrecision::Auto,
    context: None,
    activations: Activations::Auto,
    threads: None,
    frame_budget_ms: None,
};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

fn load_gguf(bytes: &[u8], chunk: usize, options: LoadOptions) -> Result<Model> {
    block_on(async {
        let mut loading = Loading::new(options).await?;
        loading.begin("llama.gguf", Some(bytes.len() as u64))?;
        for chunk in bytes.chunks(chunk) {
            loading.push(chunk)?;
            loading.settle().await?;
        }
        loading.end()?;
        loading.finish().await
    })
}

fn llama(context: Option<u32>) -> Model {
    load_gguf(&read("llama.gguf"), 1 << 20, LoadOptions { context, ..CPU }).unwrap()
}

/// The first golden prompt and the tokens that follow it.
fn expected() -> (Vec<u32>, Vec<u32>) {
    let json: serde_json::Value = serde_json::from_slice(&read("llama.json")).unwrap();
    let list = |name: &str| serde_json::from_value(json["cases"][0][name].clone()).unwrap();
    (list("prompt"), list("greedy"))
}

fn greedy(max_tokens: u32) -> GenerateOptions {
    GenerateOptions { max_tokens, ignore_eos: true, ..GenerateOptions::default() }
}

fn run(model: &mut Model, prompt: &[u32], options: GenerateOptions) -> Generation {
    let mut answer = model.start(prompt, options).unwrap();
    let mut text = String::new();
    while let Some(chunk) = block_on(model.next(&mut answer)).unwrap() {
        text += &chunk.text;
    }
    assert_eq!(text, answer.text(), "the chunks are the text");
    assert_eq!(answer.timings().new_tokens, answer.tokens().len());
    answer
}

#[test]
fn chunks_of_any_size_give_the_same_model() {
    let (prompt, follows) = expected();
    for chunk in [1 << 20, 1021, 7] {
        let mut model = load_gguf(&read("llama.gguf"), chunk, CPU).unwrap();
        assert_eq!(run(&mut model, &prompt, greedy(64)).tokens(), follows, "chunks of {chunk}");
    }
}

#[test]
fn shards_with_their_index_are_the_same_model() {
    let (prompt, follows) = expected();
    let mut loading = block_on(Loading::new(CPU)).unwrap();
    assert!(loading.wanted().is_empty());
    for name in ["config.json", "tokenizer.json", "generation_config.json", "model.safetensors.index.json"] {
        loading.side_file(name, &read(&format!("llama/{name}"))).unwrap();
    }
    let wanted = loading.wanted();
    assert!(wanted.len() > 1, "{wanted:?}");
    for name in &wanted {
        let bytes = read(&format!("llama/{name}"));
        loading.begin(name, Some(bytes.len() as u64)).unwrap();
        bytes.chunks(333).for_each(|chunk| loading.push(chunk).unwrap());
        loading.end().unwrap();
    }
    let mut model = block_on(loading.finish()).unwrap();
    assert_eq!(run(&mut model, &prompt, greedy(64)).tokens(), follows);
    let info = model.info();
    assert_eq!((info.architecture.as_str(), info.context), ("llama", 96));
}

#[test]
fn a_shard_that_does_not_come_is_named() {
    let mut loading = block_on(Loading::new(CPU)).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors.index.json"] {
        loading.side_file(name, &read(&format!("llama/{name}"))).unwrap();
    }
    let wanted = loading.wanted();
    loading.begin(&wanted[0], None).unwrap();
    loading.push(&read(&format!("llama/{}", wanted[0]))).unwrap();
    loading.end().unwrap();
    let error = block_on(loading.finish()).err().unwrap().to_string();
    assert!(error.starts_with(&format!("{} is missing", wanted[1])), "{error}");
}

#[test]
fn a_file_that_ends_early_is_refused_with_and_without_its_length() {
    let bytes = read("llama.gguf");
    let cut = &bytes[..bytes.len() - 40];
    let error = load_gguf(cut, 4096, CPU).err().unwrap();
    assert_eq!(error.code(), "file-damaged");
    assert!(error.to_string().starts_with("llama.gguf: tensor "), "{error}");

    let mut loading = block_on(Loading::new(CPU)).unwrap();
    loading.begin("llama.gguf", None).unwrap();
    loading.push(cut).unwrap();
    let error = loading.end().unwrap_err().to_string();
    assert!(error.starts_with("llama.gguf: tensor ") && error.contains("is not whole"), "{error}");
}

#[test]
fn a_common_beginning_is_not_computed_again_and_changes_nothing() {
    let (prompt, follows) = expected();
    let mut model = llama(None);
    let first = run(&mut model, &prompt, greedy(20));
    assert_eq!((first.timings().prompt_tokens, first.timings().cached_tokens), (prompt.len(), 0));

    // All but the last token of the first answer stand in the cache; the turn that follows departs from it after 10.
    let mut next: Vec<u32> = prompt.iter().chain(&follows[..10]).copied().collect();
    next.extend([3, 1, 4, 1, 5]);
    let reused = run(&mut model, &next, greedy(20));
    assert_eq!((reused.timings().prompt_tokens, reused.timings().cached_tokens), (5, prompt.len() + 10));
    assert_eq!(reused.tokens(), run(&mut llama(None), &next, greedy(20)).tokens());

    // The same prompt again: its last token is still computed, since its scores are wanted.
    let again = run(&mut model, &next, greedy(20));
    assert_eq!((again.timings().prompt_tokens, again.timings().cached_tokens), (1, next.len() - 1));
    assert_eq!(again.tokens(), reused.tokens());

    model.forget();
    assert_eq!(run(&mut model, &next, greedy(20)).timings().cached_tokens, 0);
}

#[test]
fn answers_that_take_turns_do_not_disturb_each_other() {
    let (prompt, follows) = expected();
    let mut model = llama(None);
    let other: Vec<u32> = prompt.iter().rev().copied().collect();
    let alone = run(&mut model, &other, greedy(8)).tokens().to_vec();
    let mut first = model.start(&prompt, greedy(8)).unwrap();
    let mut second = model.start(&other, greedy(8)).unwrap();
    for _ in 0..8 {
        block_on(model.next(&mut first)).unwrap();
        block_on(model.next(&mut second)).unwrap();
    }
    assert_eq!((first.tokens(), second.tokens()), (&follows[..8], alone.as_slice()));
}

#[test]
fn a_long_prompt_comes_in_steps() {
    let mut model = llama(None);
    let prompt: Vec<u32> = (0..80).map(|i| i * 3 % 200 + 1).collect();
    let mut answer = model.start(&prompt, greedy(1)).unwrap();
    assert_eq!(block_on(model.step(&mut answer)).unwrap(), Step::Prompt { done: 64, total: 80 });
    let Step::Token(chunk) = block_on(model.step(&mut answer)).unwrap() else { panic!("no token") };
    let logits = block_on(model.logits(&prompt)).unwrap();
    let vocab = model.shape().vocab as usize;
    assert_eq!(logits.len(), prompt.len() * vocab);
    assert_eq!(chunk.token, greatest(&logits[79 * vocab..]));
    assert_eq!(block_on(model.step(&mut answer)).unwrap(), Step::Finished);
}

fn greatest(scores: &[f32]) -> u32 {
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    best.0 as u32
}

#[test]
fn scores_of_every_position_predict_what_greedy_choice_takes() {
    let (prompt, follows) = expected();
    let mut model = llama(None);
    let all: Vec<u32> = prompt.iter().chain(&follows).copied().collect();
    let logits = block_on(model.logits(&all)).unwrap();
    let rows: Vec<u32> = logits.chunks(model.shape().vocab as usize).map(greatest).collect();
    assert_eq!(rows[prompt.len() - 1..all.len() - 1], follows);
    // What was scored stands in the cache, and serves the next answer.
    assert_eq!(run(&mut model, &all, greedy(1)).timings().cached_tokens, all.len() - 1);
}

#[test]
fn a_full_context_ends_with_length() {
    let (prompt, follows) = expected();
    let mut model = llama(Some(12));
    let answer = run(&mut model, &prompt, greedy(64));
    // The scores after the last position still give a token.
    assert_eq!(answer.tokens(), &follows[..12 + 1 - prompt.len()]);
    assert_eq!(answer.finish_reason(), Some(FinishReason::Length));

    let full = run(&mut model, &[7; 12], greedy(64));
    assert_eq!((full.tokens().len(), full.finish_reason()), (1, Some(FinishReason::Length)));
}

#[test]
fn prompts_that_cannot_be_run_are_refused() {
    let model = llama(Some(12));
    let refuse = |prompt: &[u32]| model.start(prompt, greedy(1)).err().unwrap();
    let too_long = refuse(&[1; 13]);
    assert_eq!(too_long, Error::Context("the prompt has 13 tokens, the context 12 positions".into()));
    assert_eq!(refuse(&[]).code(), "option");
    assert!(refuse(&[1, 272]).to_string().contains("token 272"));
    let error = load_gguf(&read("llama.gguf"), 1 << 20, LoadOptions { context: Some(97), ..CPU }).err().unwrap();
    assert!(error.to_string().contains("97") && error.to_string().contains("96"), "{error}");
}

#[test]
fn no_new_tokens_are_no_work() {
    let mut model = llama(None);
    let answer = run(&mut model, &[5, 6], greedy(0));
    assert_eq!((answer.text(), answer.finish_reason()), ("", Some(FinishReason::Length)));
    assert_eq!(run(&mut model, &[5, 6], greedy(1)).timings().cached_tokens, 0);
}

#[test]
fn an_end_token_ends_the_answer_and_is_not_shown() {
    let (prompt, follows) = expected();
    let mut model = llama(None);
    let whole = run(&mut model, &prompt, greedy(64));
    let place = (1..64).find(|&i| !follows[..i].contains(&follows[i])).unwrap();
    model.end_with(follows[place]);
    let ended = run(&mut model, &prompt, GenerateOptions { ignore_eos: false, ..greedy(64) });
    assert_eq!(ended.tokens(), &follows[..=place]);
    assert_eq!(ended.finish_reason(), Some(FinishReason::Stop));
    // A character that was cut short shows as one that is unknown.
    let certain = ended.text().trim_end_matches('\u{FFFD}');
    assert!(whole.text().starts_with(certain) && ended.text().len() < whole.text().len());
    assert_eq!(run(&mut model, &prompt, greedy(64)).tokens().len(), 64);
}

#[test]
fn a_stop_string_cuts_the_text_even_inside_a_token() {
    let (prompt, _) = expected();
    let mut model = llama(None);
    let text = run(&mut model, &prompt, greedy(64)).text().to_string();
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    for start in [0, 3, letters.len() / 2] {
        let stop: String = letters[start..start + 3].iter().map(|(_, letter)| letter).collect();
        let cut = run(&mut model, &prompt, GenerateOptions { stop: vec![stop.clone()], ..greedy(64) });
        assert_eq!(cut.text(), &text[..text.find(&stop).unwrap()], "stop at {stop:?}");
        assert_eq!(cut.finish_reason(), Some(FinishReason::Stop));
    }
    // What might have become a stop string is shown once it is certain that it does not.
    let last = letters[letters.len() - 1].1;
    let held = run(&mut model, &prompt, GenerateOptions { stop: vec![format!("{last}\u{1}")], ..greedy(64) });
    assert_eq!((held.text(), held.finish_reason()), (text.as_str(), Some(FinishReason::Length)));
}

#[test]
fn the_same_seed_gives_the_same_tokens() {
    let (prompt, follows) = expected();
    let mut model = llama(None);
    let mut draw = |seed| {
        let sampling = sampler::Options { temperature: 1.5, seed, ..sampler::Options::default() };
        run(&mut model, &prompt, GenerateOptions { sampling, ..greedy(32) }).tokens().to_vec()
    };
    let first = draw(1);
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
    assert_ne!(first, follows[..32]);
}

#[test]
fn a_token_reads_what_the_heads_say() {
    let bytes = read("llama.gguf");
    let options = LoadOptions { device: Device::Cpu, ..CPU };
    let mut heads = Heads::default();
    heads.begin("llama.gguf", Some(bytes.len() as u64)).unwrap();
    assert!(heads.push(&bytes).unwrap());
    let survey = heads.survey(options, 128 << 20).unwrap();
    let [few, more] = [8, 9].map(|tokens| {
        let mut model = load_gguf(&bytes, 1 << 20, options).unwrap();
        run(&mut model, &expected().0, greedy(tokens));
        model.counts().weight_bytes_read
    });
    assert_eq!(more - few, survey.token_bytes);
}

#[test]
fn heads_tell_what_loading_does() {
    let bytes = read("llama.gguf");
    let mut heads = Heads::default();
    heads.begin("llama.gguf", Some(bytes.len() as u64)).unwrap();
    let came = bytes.chunks(512).position(|chunk| heads.push(chunk).unwrap()).unwrap();
    assert!((came + 1) * 512 < bytes.len(), "the weights are not wanted");
    let survey = heads.survey(CPU, 128 << 20).unwrap();
    let info = llama(None).info();
    assert_eq!((&survey.architecture, survey.shape, &survey.formats), (&info.architecture, info.shape, &info.formats));
    assert_eq!((survey.context, survey.greatest_context), (96, 96));
    assert!(survey.gpu_bytes > survey.weight_bytes + survey.cache_bytes);
    assert!(survey.token_bytes < survey.weight_bytes, "a table is looked up in");
    // 64 positions are a tile, 96 two.
    let all = survey.gpu_bytes;
    let within = [u64::MAX, all, all - 1, all - survey.cache_bytes / 2, survey.weight_bytes];
    assert_eq!(within.map(|bytes| survey.context_within(bytes)), [96, 96, 64, 64, 0]);
    let tokens = heads.into_text().unwrap().prompt("the cat sat").unwrap();
    assert_eq!(tokens, llama(None).text().prompt("the cat sat").unwrap());
}

#[test]
fn a_model_without_a_template_refuses_a_chat() {
    let error = llama(None).text().chat_prompt(&[crate::template::Message::new("user", "Hello")]).unwrap_err();
    assert_eq!(error.code(), "template");
}

/// Loads a file and asks it for two tokens.
fn answer(bytes: &[u8]) -> Result<Vec<u32>> {
    let mut model = load_gguf(bytes, 4096, CPU)?;
    let mut answer = model.start(&[1, 2, 3], greedy(2))?;
    while block_on(model.next(&mut answer))?.is_some() {}
    Ok(answer.tokens().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_head_is_an_error_or_harmless(damage in prop::collection::vec((0usize..8000, any::<u8>()), 1..4)) {
        let mut bytes = read("llama.gguf");
        for (place, value) in damage {
            bytes[place] = value;
        }
        if let Err(error) = answer(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_benchmark_times_what_fits_and_says_what_does_not() {
    let mut model = llama(None);
    let options = BenchOptions { new_tokens: 3, runs: 2, ..BenchOptions::default() };
    let mut steps = Vec::new();
    let report = block_on(bench::run(&mut model, options, |step| steps.push(step))).unwrap();
    assert_eq!(steps.last().map(|step| (step.phase, step.run, step.done)), Some(("decode", 2, steps[0].total)));
    assert!(steps.is_sorted_by_key(|step| step.done), "progress never goes back");
    assert_eq!(steps.iter().filter(|step| step.tokens_per_s.is_some()).count(), 4, "each timed run is told");
    let timed = |spread: Option<bench::Spread>| spread.is_some_and(|spread| spread.min > 0.0);
    assert_eq!(report.prefill.iter().map(|row| timed(row.tokens_per_s)).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(report.decode.iter().map(|row| timed(row.tokens_per_s)).collect::<Vec<_>>(), [true, false]);
    assert_eq!(
        report.prefill[2].reason.as_deref(),
        Some("512 tokens and 1 new do not fit the context of 96 positions")
    );
    assert_eq!(report.prefill_tokens_per_s, report.prefill[0].tokens_per_s.map(|spread| spread.median));
}

#[test]
fn a_benchmark_of_nothing_is_refused() {
    let model = llama(Some(16));
    let refuse = |options| Bench::new(&model, options).err().map(|error| error.code());
    let usual = BenchOptions::default();
    assert_eq!(refuse(usual.clone()), Some("context-full"));
    assert_eq!(refuse(BenchOptions { runs: 0, ..usual.clone() }), Some("option"));
    assert_eq!(refuse(BenchOptions { new_tokens: 1, ..usual.clone() }), Some("option"));
    assert_eq!(refuse(BenchOptions { decode: vec![0], ..usual.clone() }), Some("option"));
    assert_eq!(refuse(BenchOptions { prefill: Vec::new(), decode: Vec::new(), ..usual }), Some("option"));
}
