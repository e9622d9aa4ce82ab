//! Answers whose tokens feed each other on the device while the host reads them late -> the same tokens as one at a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use oriel::sampler;
use oriel::session::{Device, FinishReason, GenerateOptions, Generation, LoadOptions, Loading, Model, Step};
use pollster::block_on;

fn model(device: Device) -> Model {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/llama.gguf")).unwrap();
    let mut loading = block_on(Loading::new(LoadOptions { device, ..LoadOptions::default() })).unwrap();
    loading.begin("llama.gguf", Some(bytes.len() as u64)).unwrap();
    loading.push(&bytes).unwrap();
    loading.end().unwrap();
    block_on(loading.finish()).unwrap()
}

const PROMPT: [u32; 6] = [1, 20, 33, 47, 5, 60];

fn options(max_tokens: u32, temperature: f32) -> GenerateOptions {
    let sampling = sampler::Options {
        temperature,
        top_k: 40,
        repetition_penalty: 1.2,
        presence_penalty: 0.4,
        seed: 11,
        ..sampler::Options::default()
    };
    GenerateOptions { sampling, max_tokens, ignore_eos: true, ..GenerateOptions::default() }
}

fn finish(model: &mut Model, answer: &mut Generation) -> Vec<u32> {
    while block_on(model.next(answer)).unwrap().is_some() {}
    answer.tokens().to_vec()
}

fn run(model: &mut Model, prompt: &[u32], options: GenerateOptions) -> Vec<u32> {
    let mut answer = model.start(prompt, options).unwrap();
    finish(model, &mut answer)
}

/// The tokens on the reference executor, which chooses one at a time.
fn alone(prompt: &[u32], options: GenerateOptions) -> Vec<u32> {
    run(&mut model(Device::Cpu), prompt, options)
}

#[test]
fn any_number_of_tokens_is_what_one_at_a_time_gives() {
    let mut gpu = model(Device::Gpu);
    for temperature in [0.0, 0.8] {
        let all = alone(&PROMPT, options(40, temperature));
        for count in [1, 2, 3, 4, 7, 40] {
            gpu.forget();
            assert_eq!(run(&mut gpu, &PROMPT, options(count, temperature)), all[..count as usize], "{count} tokens");
        }
    }
}

#[test]
fn a_token_is_one_pass_and_at_most_one_submit_and_no_pass_is_in_vain() {
    let mut gpu = model(Device::Gpu);
    run(&mut gpu, &PROMPT, options(3, 0.0));
    let before = gpu.counts();
    run(&mut gpu, &PROMPT, options(40, 0.0));
    let after = gpu.counts();
    // The last token of the prompt is run again, and chooses the first one; each of the others is a pass.
    assert_eq!(after.weight_bytes_read - before.weight_bytes_read, 40 * pass_bytes(&mut gpu));
    assert!(after.submits - before.submits <= 40);
    assert!(after.readbacks - before.readbacks <= 40);
    assert_eq!(after.buffers_created, before.buffers_created);
    assert_eq!(after.bind_groups_created, before.bind_groups_created);
    assert_eq!(after.pipelines_created, before.pipelines_created);
}

fn pass_bytes(gpu: &mut Model) -> u64 {
    let before = gpu.counts().weight_bytes_read;
    run(gpu, &PROMPT, options(1, 0.0));
    gpu.counts().weight_bytes_read - before
}

#[test]
fn what_follows_an_end_reaches_neither_text_nor_a_later_answer() {
    let (mut gpu, mut cpu) = (model(Device::Gpu), model(Device::Cpu));
    let text = {
        let mut answer = gpu.start(&PROMPT, options(30, 0.0)).unwrap();
        finish(&mut gpu, &mut answer);
        answer.text().to_string()
    };
    // Some characters from the middle of the text end it there.
    let stop: String = text.chars().skip(text.chars().count() / 2).take(2).collect();
    let stopping = || GenerateOptions { stop: vec![stop.clone()], ..options(30, 0.0) };
    let mut answers = [&mut gpu, &mut cpu].map(|model| {
        model.forget();
        let mut answer = model.start(&PROMPT, stopping()).unwrap();
        finish(model, &mut answer);
        assert_eq!(answer.finish_reason(), Some(FinishReason::Stop));
        assert_eq!(block_on(model.step(&mut answer)).unwrap(), Step::Finished);
        answer
    });
    assert_eq!(answers[0].tokens(), answers[1].tokens());
    assert_eq!(answers[0].text(), answers[1].text());
    assert!(answers[0].tokens().len() < 30);
    // The next turn departs from what was computed in vain, and is what it would have been.
    let [first, _] = &mut answers;
    let next: Vec<u32> = first.prompt().iter().chain(first.tokens()).copied().chain([9, 8, 7]).collect();
    assert_eq!(run(&mut gpu, &next, options(12, 0.8)), alone(&next, options(12, 0.8)));
}

#[test]
fn answers_that_take_turns_and_answers_given_up_disturb_no_other() {
    let mut gpu = model(Device::Gpu);
    let other: Vec<u32> = PROMPT.iter().rev().copied().collect();
    let expected = [alone(&PROMPT, options(12, 0.8)), alone(&other, options(12, 0.0))];
    let mut first = gpu.start(&PROMPT, options(12, 0.8)).unwrap();
    let mut second = gpu.start(&other, options(12, 0.0)).unwrap();
    for turn in 0..24 {
        let answer = if turn % 5 < 2 { &mut first } else { &mut second };
        block_on(gpu.next(answer)).unwrap();
        // An answer that is begun, taken up to its first token, and dropped with more on the way.
        let mut given_up = gpu.start(&[2, 3, 4], options(9, 0.5)).unwrap();
        block_on(gpu.next(&mut given_up)).unwrap();
    }
    assert_eq!([finish(&mut gpu, &mut first), finish(&mut gpu, &mut second)], expected);
    // Scores, too, wait for what is on its way.
    let mut given_up = gpu.start(&PROMPT, options(9, 0.5)).unwrap();
    block_on(gpu.next(&mut given_up)).unwrap();
    let scores = block_on(gpu.logits(&other)).unwrap();
    assert_eq!(scores.len(), other.len() * gpu.shape().vocab as usize);
}

#[test]
fn the_context_is_filled_to_its_last_position() {
    let mut gpu = model(Device::Gpu);
    let room = gpu.context() as usize + 1 - PROMPT.len();
    let mut answer = gpu.start(&PROMPT, options(u32::MAX, 0.0)).unwrap();
    assert_eq!(finish(&mut gpu, &mut answer).len(), room);
    assert_eq!(answer.finish_reason(), Some(FinishReason::Length));
}
