//! Predictions of the cost model -> a table for people, or JSON. No GPU is needed, and none is measured.

use crate::arguments::Predict;
use crate::output;
use oriel::Result;
use oriel::session::predict::gpus::{GPUS, Gpu, SUBMIT_US};
use oriel::session::predict::{PROMPT, Prediction, Range, predict};
use serde_json::json;
use std::fmt::Write;

/// What stands above every table and in every report.
const MARK: &str = "predictions of a cost model, not measurements";

pub fn run(arguments: &Predict) -> Result<()> {
    let predictions = predict(arguments.position)?;
    if arguments.json {
        let gpus: Vec<_> = GPUS
            .iter()
            .map(|gpu| {
                json!({
                    "name": gpu.name, "bandwidth_gb_s": gpu.bandwidth_gb_s, "f32_tflops": gpu.f32_tflops,
                    "bandwidth_share": gpu.bandwidth_share, "f32_share": gpu.f32_share, "gap_us": gpu.gap_us,
                    "submit_us": SUBMIT_US, "source": gpu.source,
                })
            })
            .collect();
        let report = json!({
            "what": MARK, "position": arguments.position, "prompt_tokens": PROMPT, "gpus": gpus,
            "predictions": predictions,
        });
        return output::print_json(&report);
    }
    let position = arguments.position;
    let mut page = format!(
        "These are {MARK}.\nTokens a second, cautious to hopeful: of an answer after {position} positions, and of a prompt \
         of {PROMPT} tokens.\nBeside them what others measured and published, with other kernels and quantisations.\n"
    );
    for (gpu, predictions) in GPUS.iter().zip(predictions.chunk_by(|a, b| a.gpu == b.gpu)) {
        page += &table(gpu, predictions);
    }
    output::print(&page)
}

fn table(gpu: &Gpu, predictions: &[Prediction]) -> String {
    let percent = |share: Range| format!("{:.0} to {:.0} %", share[0] * 100.0, share[1] * 100.0);
    let mut table = format!(
        "\n{} ({})\n  taken: {} of the bandwidth, {} of the arithmetic, {} to {} us between dispatches\n  \
         {:<14}{:<5}{:>10}{:>12}{:>16}{:>16}  published\n",
        gpu.name,
        gpu.source,
        percent(gpu.bandwidth_share),
        percent(gpu.f32_share),
        gpu.gap_us[1],
        gpu.gap_us[0],
        "model",
        "as",
        "reads",
        "dispatches",
        "answer",
        "prompt",
    );
    for prediction in predictions {
        let range = |[low, high]: Range| format!("{low:.0} to {high:.0}");
        let published: Vec<String> = prediction
            .published
            .iter()
            .map(|figure| {
                let speeds = [
                    figure.decode.map(|speed| format!("{speed}")),
                    figure.prefill.map(|speed| format!("prompt {speed}")),
                ];
                let speeds: Vec<String> = speeds.into_iter().flatten().collect();
                format!("{} {}", speeds.join(", "), figure.engine)
            })
            .collect();
        let bytes = output::bytes(prediction.weight_bytes + prediction.cache_bytes);
        let line = format!(
            "  {:<14}{:<5}{bytes:>10}{:>12}{:>16}{:>16}  {}",
            prediction.model,
            prediction.weights,
            prediction.dispatches,
            range(prediction.decode),
            range(prediction.prefill),
            published.join("; "),
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}
