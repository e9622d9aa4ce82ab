//! The heads of a model's files -> what it is and what it takes.

use crate::arguments::Inspect;
use crate::{load, output};
use oriel::Result;
use oriel::session::Survey;
use serde_json::{Value, json};
use std::fmt::Write;

/// What WebGPU lets every device bind at once, in bytes.
const BINDING_LIMIT: u64 = 128 << 20;

pub fn run(arguments: &Inspect) -> Result<()> {
    let survey = load::heads(&arguments.model, true)?.survey(arguments.model.options(), BINDING_LIMIT)?;
    if arguments.json { output::print_json(&report(&survey)) } else { output::print(&page(&survey)) }
}

fn report(survey: &Survey) -> Value {
    let shape = &survey.shape;
    let tensor = |entry: &oriel::manifest::TensorEntry| json!({ "name": entry.name, "shape": entry.shape, "encoding": entry.encoding.name(), "bytes": entry.bytes });
    let format = |used: &oriel::session::FormatUse| json!({ "format": used.format.name(), "tensors": used.tensors, "bytes": used.bytes });
    json!({
        "architecture": survey.architecture,
        "shape": {
            "layers": shape.layers,
            "width": shape.width,
            "heads": shape.heads,
            "kv_heads": shape.kv_heads,
            "head_width": shape.head_width,
            "hidden": shape.hidden,
            "vocab": shape.vocab,
        },
        "tensors": survey.tensors.iter().map(tensor).collect::<Vec<_>>(),
        "formats": survey.formats.iter().map(format).collect::<Vec<_>>(),
        "weight_bytes": survey.weight_bytes,
        "cache": survey.cache.name(),
        "cache_bytes": survey.cache_bytes,
        "gpu_bytes": survey.gpu_bytes,
        "context": survey.context,
        "greatest_context": survey.greatest_context,
    })
}

/// The same for people.
fn page(survey: &Survey) -> String {
    let shape = &survey.shape;
    let mut page = format!(
        "{}: {} layers, width {}, {} heads of {}, {} key and value heads, hidden {}, vocabulary {}\n",
        survey.architecture,
        shape.layers,
        shape.width,
        shape.heads,
        shape.head_width,
        shape.kv_heads,
        shape.hidden,
        shape.vocab
    );
    let mut line = |text: String| writeln!(page, "{text}").unwrap_or_default();
    line(format!("context {}, greatest {}", survey.context, survey.greatest_context));
    for used in &survey.formats {
        line(format!("{:<4} {:>5} tensors, {}", used.format.name(), used.tensors, output::bytes(used.bytes)));
    }
    let (weights, cache) = (output::bytes(survey.weight_bytes), output::bytes(survey.cache_bytes));
    let format = survey.cache.name();
    line(format!("on the device {}: weights {weights}, cache {cache} of {format}", output::bytes(survey.gpu_bytes)));
    let longest = survey.tensors.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    for entry in &survey.tensors {
        line(format!("{:longest$}  {:<5} {:?}", entry.name, entry.encoding.name(), entry.shape));
    }
    page
}
