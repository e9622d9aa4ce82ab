//! What the choice of tokens reads on the device: the options, a bias for each token, and which tokens there were.

use super::device::{Buffer, Device};
use super::flights::Flights;
use crate::format::BLOCK;
use crate::kernels::choose::{self, Sampling};
use crate::sampler::Options;

/// Buffers that every plan of a model shares, made once. What the options do not need is neither written nor read.
pub struct Choosing {
    /// Tokens of the vocabulary.
    pub vocab: u32,
    /// [`Sampling`].
    pub sampling: Buffer,
    /// `[vocab]`, f32.
    pub bias: Buffer,
    /// `[vocab]`: the lowest bit says whether a token stands in the prompt, the others how often it was generated.
    pub counts: Buffer,
    /// Whether the device may hold a bias or a count that is not zero.
    has_bias: bool,
    has_counts: bool,
    /// Whether more is asked for than the greatest.
    pub full: bool,
    /// Submits on their way.
    pub flights: Flights,
    /// Tokens that were chosen: the place of the next random number.
    pub place: u32,
}

impl Choosing {
    /// For a vocabulary: zeros, which choose the greatest.
    pub fn new(device: &Device, vocab: u32) -> Choosing {
        let bytes = Choosing::bytes(vocab);
        Choosing {
            vocab,
            sampling: device.storage("sampling", size_of::<Sampling>() as u64),
            bias: device.storage("bias", bytes),
            counts: device.storage("counts", bytes),
            has_bias: false,
            has_counts: false,
            full: false,
            flights: Flights::new(device, choose::RECORD.next_multiple_of(BLOCK)),
            place: 0,
        }
    }

    /// Bytes of the largest buffer: the shaders read four tokens at once.
    pub fn bytes(vocab: u32) -> u64 {
        u64::from(vocab).next_multiple_of(4) * 4
    }

    /// Begins an answer to `prompt`, or takes it up after the tokens `generated`.
    pub fn begin(&mut self, device: &Device, options: &Options, prompt: &[u32], generated: &[u32]) {
        let sampling = Sampling::new(options);
        device.write(&self.sampling, 0, bytemuck::bytes_of(&sampling));
        let vocab = self.vocab as usize;
        if sampling.biased == 1 || self.has_bias {
            let mut bias = vec![0.0; vocab];
            for (token, more) in &options.logit_bias {
                if let Some(bias) = bias.get_mut(*token as usize) {
                    *bias = *more;
                }
            }
            device.write(&self.bias, 0, bytemuck::cast_slice::<f32, u8>(&bias));
            self.has_bias = sampling.biased == 1;
        }
        if sampling.penalised == 1 || self.has_counts {
            let mut counts = vec![0u32; vocab];
            if sampling.penalised == 1 {
                count(&mut counts, prompt, generated);
            }
            device.write(&self.counts, 0, bytemuck::cast_slice(&counts));
            self.has_counts = sampling.penalised == 1;
        }
        self.full = sampling.is_full();
        self.place = generated.len() as u32;
    }
}

fn count(counts: &mut [u32], prompt: &[u32], generated: &[u32]) {
    for token in prompt {
        if let Some(count) = counts.get_mut(*token as usize) {
            *count |= 1;
        }
    }
    for token in generated {
        if let Some(count) = counts.get_mut(*token as usize) {
            *count += 2;
        }
    }
}
