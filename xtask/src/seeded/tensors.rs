//! Names, shapes and a seed -> a safetensors file of halves, written as it is made.

use half::f16;
use serde_json::{Map, Value, json};
use std::f32::consts::TAU;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What a tensor holds.
#[derive(Clone, Copy)]
pub enum Fill {
    /// One value throughout.
    Same(f32),
    /// Normal random numbers of this deviation.
    Random(f32),
}

/// A tensor to be made.
pub struct Tensor {
    name: String,
    shape: Vec<usize>,
    fill: Fill,
}

pub fn tensor(name: &str, shape: &[usize], fill: Fill) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), fill }
}

impl Tensor {
    /// How many values it has.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What leads the file: JSON that says where each tensor stands, padded so that they begin at a multiple of 8.
pub fn header(tensors: &[Tensor]) -> String {
    let mut end = 0;
    let mut entries = Map::from_iter([("__metadata__".to_string(), json!({ "format": "pt" }))]);
    for tensor in tensors {
        let begin = end;
        end += tensor.values() * size_of::<f16>();
        let place = json!({ "dtype": "F16", "shape": tensor.shape, "data_offsets": [begin, end] });
        entries.insert(tensor.name.clone(), place);
    }
    let text = Value::Object(entries).to_string();
    format!("{text:<width$}", width = text.len().next_multiple_of(8))
}

/// Writes the file under another name first, so that one of this name is always whole.
pub fn write(path: &Path, header: &str, tensors: &[Tensor], seed: u64) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let mut random = Random { state: seed, spare: None };
    for tensor in tensors {
        for _ in 0..tensor.values() {
            let value = match tensor.fill {
                Fill::Same(value) => value,
                Fill::Random(deviation) => deviation * random.normal(),
            };
            file.write_all(&f16::from_f32(value).to_le_bytes())?;
        }
    }
    file.flush()?;
    fs::rename(&unfinished, path)
}

/// SplitMix64 (Steele, Lea and Flood 2014), made normal by Box and Muller's method.
struct Random {
    state: u64,
    spare: Option<f32>,
}

impl Random {
    /// Above 0, up to 1.
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 40) + 1) as f32 / (1 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sine, cosine) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_normal_and_the_same_each_time() {
        let draw = || {
            let mut random = Random { state: 1, spare: None };
            (0..100_000).map(|_| f64::from(random.normal())).collect::<Vec<f64>>()
        };
        let values = draw();
        assert_eq!(values, draw());
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
