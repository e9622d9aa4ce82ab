//! A prompt -> the scores of the whole vocabulary after each of its tokens, as a .npy file.

use crate::arguments::Logits;
use crate::{load, npy};
use oriel::Result;
use pollster::block_on;
use std::fs::File;
use std::io::{BufWriter, Write};

pub fn run(arguments: &Logits) -> Result<()> {
    let mut model = load::model(&arguments.model)?;
    let tokens = match (&arguments.input.tokens, &arguments.input.prompt) {
        (Some(tokens), _) => tokens.clone(),
        (None, prompt) => model.text().prompt(prompt.as_deref().unwrap_or_default())?,
    };
    model.check(&tokens)?;
    let path = &arguments.out;
    let fail = |error: std::io::Error| load::io(path, &error);
    let mut out = BufWriter::new(File::create(path).map_err(fail)?);
    npy::write_head(&mut out, tokens.len(), model.shape().vocab as usize).map_err(fail)?;
    block_on(model.score(&tokens, |rows| npy::write_values(&mut out, rows).map_err(fail)))?;
    out.flush().map_err(fail)
}
