//! A [`Plan`] -> text, one line a step.

use super::*;
use crate::weights::Catalogue;
use std::fmt;

impl Plan {
    /// The plan as text, one line a step, weights by name: what golden tests compare.
    pub fn describe(&self, catalogue: &Catalogue) -> String {
        let lines: Vec<String> =
            self.steps.iter().map(|step| Line { plan: self, catalogue, step }.to_string()).collect();
        lines.join("\n") + "\n"
    }
}

struct Line<'a> {
    plan: &'a Plan,
    catalogue: &'a Catalogue,
    step: &'a Step,
}

impl Line<'_> {
    fn view(&self, view: View) -> String {
        let info = self.plan.info(view.tensor);
        if view.width == info.width {
            return info.name.clone();
        }
        format!("{}[{}..{}]", info.name, view.start, view.start + view.width)
    }

    fn written(&self, y: View, combine: Combine) -> String {
        let sign = match combine {
            Combine::Store => "=",
            Combine::Add => "+=",
            Combine::Multiply => "*=",
        };
        let rows = match self.plan.info(y.tensor).rows {
            Rows::All => "rows".to_string(),
            Rows::Last => "1".to_string(),
            Rows::Fixed(rows) => rows.to_string(),
        };
        format!("{} [{rows}, {}] {sign}", self.view(y), y.width)
    }

    fn whole(&self, y: Tensor, combine: Combine) -> String {
        self.written(self.plan.whole(y), combine)
    }

    fn normed(&self, x: View, norm: Option<&Norm>) -> String {
        let (x, weight) = (self.view(x), |id: WeightId| self.catalogue.name(id));
        match norm {
            None => x,
            Some(Norm::Rms { gain, epsilon }) => format!("rms_norm({x} * {} epsilon {epsilon:e})", weight(*gain)),
            Some(Norm::Layer { gain, bias, epsilon }) => {
                format!("layer_norm({x} * {} + {} epsilon {epsilon:e})", weight(*gain), weight(*bias))
            }
        }
    }

    fn epilogue(&self, epilogue: &Epilogue) -> String {
        let bias = epilogue.bias.map(|bias| format!(" + {}", self.catalogue.name(bias))).unwrap_or_default();
        let activation = match epilogue.activation {
            Activation::Identity => String::new(),
            other => format!(" |> {other:?}").to_lowercase(),
        };
        bias + &activation
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = |id: WeightId| self.catalogue.name(id);
        match self.step {
            Step::Embed { table, index, combine, y } => {
                write!(f, "{} embed {}[{index:?}]", self.whole(*y, *combine), weight(*table))
            }
            Step::RmsNorm { x, gain, groups, epsilon, y } => {
                let y = self.whole(*y, Combine::Store);
                write!(f, "{y} rms_norm {} * {} groups {groups} epsilon {epsilon:e}", self.view(*x), weight(*gain))
            }
            Step::LayerNorm { x, gain, bias, epsilon, y } => {
                let (y, x, gain, bias) = (self.whole(*y, Combine::Store), self.view(*x), weight(*gain), weight(*bias));
                write!(f, "{y} layer_norm {x} * {gain} + {bias} epsilon {epsilon:e}")
            }
            Step::Matmul { x, norm, matrix, epilogue, y } => {
                let (y, x) = (self.written(*y, epilogue.combine), self.normed(*x, norm.as_ref()));
                write!(f, "{y} matmul {} {x}{}", weight(*matrix), self.epilogue(epilogue))
            }
            Step::Gated { x, norm, matrix, bias, activation, y } => {
                let (y, x) = (self.whole(*y, Combine::Store), self.normed(*x, norm.as_ref()));
                let epilogue = Epilogue { bias: *bias, activation: *activation, combine: Combine::Store };
                write!(f, "{y} gated {} {x}{}", weight(*matrix), self.epilogue(&epilogue))
            }
            Step::Pointwise { x, epilogue, y } => {
                let y = self.written(*y, epilogue.combine);
                write!(f, "{y} pointwise {}{}", self.view(*x), self.epilogue(epilogue))
            }
            Step::Rope { x, head_width, rotary, pairing, y, .. } => {
                let y = self.whole(*y, Combine::Store);
                write!(f, "{y} rope {} heads of {head_width}, {rotary} in {pairing:?}", self.view(*x))
            }
            Step::Store { x, layer, side } => write!(f, "cache.{layer}.{side:?} <- store {}", self.view(*x)),
            Step::Heads { x, layer, norms, rotation, y } => {
                let y = self.whole(*y, Combine::Store);
                write!(f, "{y} heads {} and cache.{layer}", self.view(*x))?;
                if let Some(HeadNorms { queries, keys, epsilon }) = norms {
                    write!(f, ", rms_norm * {} and {} epsilon {epsilon:e}", weight(*queries), weight(*keys))?;
                }
                write!(f, "{}", rotated(rotation.as_ref()))
            }
            Step::MatmulHeads { x, norm, matrix, bias, rotation, layer, y } => {
                let (y, x) = (self.whole(*y, Combine::Store), self.normed(*x, norm.as_ref()));
                let epilogue = self.epilogue(&Epilogue { bias: *bias, ..Epilogue::NONE });
                let rotated = rotated(rotation.as_ref());
                write!(f, "{y} heads of matmul {} {x}{epilogue} and cache.{layer}{rotated}", weight(*matrix))
            }
            Step::Attention { q, layer, heads, scale, y } => {
                let y = self.whole(*y, Combine::Store);
                write!(f, "{y} attention {} over cache.{layer}, {heads} heads, scale {scale}", self.view(*q))
            }
            Step::LastRow { x, y } => write!(f, "{} last_row {}", self.whole(*y, Combine::Store), self.view(*x)),
            Step::Choose { logits, y, .. } => {
                write!(f, "{} choose {}", self.whole(*y, Combine::Store), self.view(*logits))
            }
        }
    }
}

fn rotated(rotation: Option<&Rotation>) -> String {
    rotation.map(|r| format!(", rope {} in {:?}", r.rotary, r.pairing)).unwrap_or_default()
}
