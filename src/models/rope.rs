//! Rotary positions: settings of either source -> frequencies -> the table of cosines and sines that plans read.

mod read;

use super::Constant;
use crate::weights::{Catalogue, Shape, Spec, WeightId};
use crate::{Error, Result};

/// The name of the table among the constants: `[context, rotary / 2, 2]`, cosine and sine.
const TABLE: &str = "rope_table";

/// More values than this are refused: the table would pass 1 GiB.
const MOST_VALUES: u64 = 1 << 28;

/// How a model turns positions into rotations.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Values of each head that are rotated: an even number.
    pub rotary: u32,
    /// Pair `i` turns by `theta ^ (-2 i / rotary)` a position before it is scaled.
    theta: f64,
    scaling: Scaling,
    divisors: Divisors,
    /// What cosines and sines are multiplied by.
    attention: f64,
}

/// How frequencies are stretched to a longer context.
#[derive(Debug, Clone, PartialEq)]
enum Scaling {
    None,
    /// Every frequency divided by `factor`.
    Linear {
        factor: f64,
    },
    /// Unscaled up to `trained` positions; beyond, the frequencies would change as the text grows.
    Dynamic {
        trained: u32,
    },
    /// Llama 3.1: waves longer than `original / low` divided by `factor`, those shorter than `original / high` kept.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
    /// YaRN (arXiv 2309.00071): pairs that turn often kept, pairs that turn seldom divided by `factor`, a ramp between.
    Yarn {
        factor: f64,
        original: f64,
        beta_fast: f64,
        beta_slow: f64,
        truncate: bool,
    },
}

/// What each pair's frequency is divided by.
#[derive(Debug, Clone, PartialEq)]
enum Divisors {
    One,
    /// A tensor of the checkpoint, whatever the context.
    Tensor(&'static str),
    /// LongRoPE (arXiv 2402.13753): one list up to `original` positions, another beyond.
    ByContext {
        short: Divisor,
        long: Divisor,
        original: u32,
    },
}

/// One divisor for each pair.
#[derive(Debug, Clone, PartialEq)]
enum Divisor {
    Values(Vec<f64>),
    Tensor(&'static str),
}

impl Rope {
    /// The tensors of the checkpoint that the table is made from, to be kept on the host.
    pub fn kept(&self) -> Vec<&'static str> {
        match &self.divisors {
            Divisors::One => Vec::new(),
            Divisors::Tensor(name) => vec![name],
            Divisors::ByContext { short, long, .. } => [short, long].into_iter().filter_map(Divisor::tensor).collect(),
        }
    }

    /// The same, as specs: each has a value for every pair.
    pub fn specs(&self) -> impl Iterator<Item = Spec> {
        let shape = Shape::Vector { width: self.rotary / 2 };
        self.kept().into_iter().map(move |name| {
            let name = name.to_string();
            Spec { source_name: name.clone(), name, shape, run: None, transposed: false, required: true }
        })
    }

    /// The table for positions below `context`.
    ///
    /// # Errors
    /// Where the scaling does not reach that far, the table would be absurdly large, or a kept tensor is unusable.
    pub fn constant(&self, context: u32, tensor: &dyn Fn(&str) -> Option<Vec<f32>>) -> Result<Constant> {
        self.check(context)?;
        let divisors = self.divisors(context, tensor)?;
        let frequencies: Vec<f64> =
            (0..self.rotary / 2).zip(divisors).map(|(pair, divisor)| self.frequency(pair) / divisor).collect();
        let mut data = Vec::with_capacity(context as usize * self.rotary as usize);
        for position in 0..context {
            for frequency in &frequencies {
                let (sine, cosine) = (f64::from(position) * frequency).sin_cos();
                data.extend([(cosine * self.attention) as f32, (sine * self.attention) as f32]);
            }
        }
        Ok(Constant { name: TABLE.into(), data })
    }

    /// The table's place in the catalogue that a plan for `context` positions is built over.
    ///
    /// # Errors
    /// Where it is missing, or the model cannot run at that context.
    pub fn table(&self, catalogue: &Catalogue, context: u32) -> Result<WeightId> {
        self.check(context)?;
        catalogue.get(TABLE)
    }

    fn check(&self, context: u32) -> Result<()> {
        if let Scaling::Dynamic { trained } = self.scaling
            && context > trained
        {
            return Err(Error::Option(format!(
                "context is {context}: dynamic rope scaling is supported within the {trained} trained positions only"
            )));
        }
        if u64::from(context) * u64::from(self.rotary) > MOST_VALUES {
            return Err(Error::Memory(format!(
                "a context of {context} needs a rotary table of more than {MOST_VALUES} values"
            )));
        }
        Ok(())
    }

    /// How far a pair turns for each position, before the divisors.
    fn frequency(&self, pair: u32) -> f64 {
        let frequency = self.theta.powf(-2.0 * f64::from(pair) / f64::from(self.rotary));
        match self.scaling {
            Scaling::None | Scaling::Dynamic { .. } => frequency,
            Scaling::Linear { factor } => frequency / factor,
            Scaling::Llama3 { factor, low, high, original } => {
                let waves = original * frequency / std::f64::consts::TAU; // in the original context
                let kept = ((waves - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (kept + (1.0 - kept) / factor)
            }
            Scaling::Yarn { factor, .. } => {
                let (first, last) = self.yarn_ramp();
                let interpolated = ((f64::from(pair) - first) / (last - first)).clamp(0.0, 1.0);
                frequency * (1.0 - interpolated + interpolated / factor)
            }
        }
    }

    /// The pairs between which YaRN goes from kept to interpolated.
    fn yarn_ramp(&self) -> (f64, f64) {
        let Scaling::Yarn { original, beta_fast, beta_slow, truncate, .. } = self.scaling else { return (0.0, 1.0) };
        let rotary = f64::from(self.rotary);
        let pair_that_turns =
            |times: f64| rotary * (original / (times * std::f64::consts::TAU)).ln() / (2.0 * self.theta.ln());
        let (mut first, mut last) = (pair_that_turns(beta_fast), pair_that_turns(beta_slow));
        if truncate {
            (first, last) = (first.floor(), last.ceil());
        }
        (first, last) = (first.max(0.0), last.min(rotary - 1.0));
        (first, if first == last { last + 0.001 } else { last })
    }

    fn divisors(&self, context: u32, tensor: &dyn Fn(&str) -> Option<Vec<f32>>) -> Result<Vec<f64>> {
        match &self.divisors {
            Divisors::One => Ok(vec![1.0; self.rotary as usize / 2]),
            Divisors::Tensor(name) => self.divisors_in(name, tensor),
            Divisors::ByContext { short, long, original } => match if context > *original { long } else { short } {
                Divisor::Values(values) => Ok(values.clone()),
                Divisor::Tensor(name) => self.divisors_in(name, tensor),
            },
        }
    }

    fn divisors_in(&self, name: &str, tensor: &dyn Fn(&str) -> Option<Vec<f32>>) -> Result<Vec<f64>> {
        let values = tensor(name).ok_or_else(|| Error::Model(format!("the values of {name} were not kept")))?;
        checked_divisors(name, self.rotary, values.into_iter().map(f64::from).collect())
    }
}

impl Divisor {
    fn tensor(&self) -> Option<&'static str> {
        match self {
            Divisor::Values(_) => None,
            Divisor::Tensor(name) => Some(name),
        }
    }
}

/// One positive number for each pair, or an error that names where they came from.
fn checked_divisors(name: &str, rotary: u32, values: Vec<f64>) -> Result<Vec<f64>> {
    let pairs = rotary as usize / 2;
    if values.len() != pairs {
        return Err(Error::Model(format!("{name} has {} values, expected {pairs}", values.len())));
    }
    match values.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
        Some(value) => Err(Error::Model(format!("{name} holds {value}, expected positive numbers"))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests;
