//! A text -> how well the model predicts it: `exp` of the mean of `-ln p` over its tokens.

use crate::arguments::Perplexity;
use crate::{load, output};
use oriel::{Error, Result};
use pollster::block_on;
use serde_json::json;

/// The text is cut into windows as long as the context; each token of a window but the first is predicted from all
/// before it.
pub fn run(arguments: &Perplexity) -> Result<()> {
    let path = &arguments.file;
    let bytes = std::fs::read(path).map_err(|error| load::io(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Error::File(format!("{}: expected UTF-8 text: {error}", path.display())))?;
    let mut model = load::model(&arguments.model)?;
    let tokens = model.text().prompt(&text)?;
    let vocab = model.shape().vocab as usize;
    let (mut loss, mut scored, mut windows) = (0.0, 0, 0);
    for window in tokens.chunks(model.context() as usize).filter(|window| window.len() > 1) {
        let mut next = 1;
        block_on(model.score(window, |rows| {
            for (scores, token) in rows.chunks(vocab).zip(&window[next..]) {
                loss -= log_probability(scores, *token);
            }
            next = window.len().min(next + rows.len() / vocab);
            Ok(())
        }))?;
        scored += window.len() - 1;
        windows += 1;
    }
    if scored == 0 {
        let count = tokens.len();
        return Err(Error::File(format!("{}: expected at least 2 tokens, found {count}", path.display())));
    }
    let perplexity = f64::exp(loss / scored as f64);
    if arguments.json {
        return output::print_json(&json!({ "perplexity": perplexity, "tokens": scored, "windows": windows }));
    }
    output::print(&format!("perplexity {perplexity:.4} over {scored} tokens in {windows} windows\n"))
}

/// Natural logarithm of the probability that scores give to a token, summed in f64.
fn log_probability(scores: &[f32], token: u32) -> f64 {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - greatest).exp()).sum();
    f64::from(scores[token as usize] - greatest) - sum.ln()
}

#[cfg(test)]
mod tests {
    #[test]
    fn equal_scores_are_equally_likely() {
        assert!((super::log_probability(&[7.0; 4], 2) + f64::ln(4.0)).abs() < 1e-12);
    }
}
