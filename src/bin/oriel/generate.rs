//! A prompt -> text as it comes, or one JSON object.

use crate::arguments::Generate;
use crate::{load, output};
use oriel::Result;
use oriel::session::{Chunk, FinishReason, Generation, Text, Timings};
use oriel::template::Message;
use pollster::block_on;
use serde_json::{Value, json};
use std::io::IsTerminal;

pub fn run(arguments: &Generate) -> Result<()> {
    let options = arguments.options();
    options.check()?;
    let mut model = load::model(&arguments.model)?;
    let prompt = prompt(arguments, model.text())?;
    let mut answer = model.start(&prompt, options)?;
    let mut logprobs = Vec::new();
    while let Some(chunk) = block_on(model.next(&mut answer))? {
        if arguments.json {
            logprobs.extend(likely(&chunk, model.text()));
        } else {
            output::print(&chunk.text)?;
        }
    }
    if arguments.json {
        let mut report = report(&answer);
        if arguments.sampling.top_logprobs.is_some() {
            report["logprobs"] = logprobs.into();
        }
        return output::print_json(&report);
    }
    output::print("\n")?;
    if std::io::stderr().is_terminal() {
        output::note(&figures(&answer.timings()));
    }
    Ok(())
}

fn prompt(arguments: &Generate, text: &Text) -> Result<Vec<u32>> {
    if !arguments.chat {
        return text.prompt(&arguments.prompt);
    }
    let system = arguments.system.as_ref().map(|content| Message::new("system", content));
    let messages: Vec<Message> = system.into_iter().chain([Message::new("user", &arguments.prompt)]).collect();
    text.chat_prompt(&messages)
}

/// The log-probabilities at a token, where they were asked for.
fn likely(chunk: &Chunk, text: &Text) -> Option<Value> {
    let entry =
        |token: u32, logprob: f32| json!({ "token": token, "text": text.tokenizer().piece(token), "logprob": logprob });
    let mut said = entry(chunk.token, chunk.logprob?);
    said["top_logprobs"] = chunk.top.iter().map(|(token, logprob)| entry(*token, *logprob)).collect();
    Some(said)
}

fn report(answer: &Generation) -> Value {
    let timings = answer.timings();
    json!({
        "prompt_tokens": answer.prompt(),
        "tokens": answer.tokens(),
        "text": answer.text(),
        "finish_reason": answer.finish_reason().map(FinishReason::name),
        "timings": {
            "prefill_ms": timings.prefill_ms,
            "first_token_ms": timings.first_token_ms,
            "decode_ms": timings.decode_ms,
            "prompt_tokens": timings.prompt_tokens,
            "cached_tokens": timings.cached_tokens,
            "new_tokens": timings.new_tokens,
            "prefill_tokens_per_s": timings.prefill_tokens_per_s(),
            "decode_tokens_per_s": timings.decode_tokens_per_s(),
        },
    })
}

fn figures(timings: &Timings) -> String {
    format!(
        "{} prompt tokens, {:.1} tokens/s; {} new tokens, {:.1} tokens/s; first after {:.0} ms",
        timings.prompt_tokens,
        timings.prefill_tokens_per_s(),
        timings.new_tokens,
        timings.decode_tokens_per_s(),
        timings.first_token_ms,
    )
}
