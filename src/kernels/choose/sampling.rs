//! The options of the sampler -> the words that `shaders/lib/sampling.wgsl` reads.

use crate::sampler::Options;

/// Declares [`Sampling`] with the list of its fields: 4-byte scalars only, so that the order is the layout in WGSL too.
macro_rules! sampling {
    ($($(#[$doc:meta])* $field:ident: $scalar:ident),* $(,)?) => {
        /// How the next token is chosen, as the device takes it.
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct Sampling { $($(#[$doc])* pub $field: $scalar),* }

        impl Sampling {
            /// Fields of the struct in WGSL, in order: name and type.
            pub const FIELDS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($field), stringify!($scalar))),*];
        }
    };
}

sampling! {
    /// 0 takes the greatest.
    draws: u32,
    /// 1 where a bias is given.
    biased: u32,
    /// 1 where tokens that were there before are weighed differently.
    penalised: u32,
    /// 0, or one more than the number of the likeliest tokens whose log-probabilities are asked for.
    logprobs: u32,
    /// 0 for all.
    top_k: u32,
    /// In units of 2^-32; all ones for all.
    top_p: u32,
    /// What logits are divided by.
    temperature: f32,
    /// One by the temperature; bounded, since a temperature may be so small that it would be infinite.
    inverse: f32,
    /// `ln(1 - top_p)`.
    top_p_rest: f32,
    /// How far below the greatest min-p lets a logit be: 0 or less. 1 for any far.
    min_p_below: f32,
    /// The repetition penalty.
    repetition: f32,
    /// The frequency penalty.
    frequency: f32,
    /// The presence penalty.
    presence: f32,
    /// Low word of the seed.
    seed_low: u32,
    /// High word of the seed.
    seed_high: u32,
}

impl Sampling {
    /// Of options that were checked.
    pub fn new(options: &Options) -> Sampling {
        let temperature = f64::from(options.temperature);
        let (top_p, min_p) = (f64::from(options.top_p), f64::from(options.min_p));
        Sampling {
            draws: u32::from(!options.takes_the_greatest()),
            biased: u32::from(!options.logit_bias.is_empty()),
            penalised: u32::from(options.has_penalties()),
            logprobs: options.top_logprobs.map_or(0, |count| count + 1),
            top_k: options.top_k,
            // Below 1 an f32 is a whole number of 2^-24 or less, so only 1 itself gives all ones.
            top_p: (top_p * 4_294_967_296.0) as u32,
            temperature: options.temperature,
            inverse: (1.0 / temperature).min(1e30) as f32,
            top_p_rest: if top_p < 1.0 { (1.0 - top_p).ln() as f32 } else { 0.0 },
            min_p_below: if min_p > 0.0 { (temperature * min_p.ln()) as f32 } else { 1.0 },
            repetition: options.repetition_penalty,
            frequency: options.frequency_penalty,
            presence: options.presence_penalty,
            seed_low: options.seed as u32,
            seed_high: (options.seed >> 32) as u32,
        }
    }
}

impl Sampling {
    /// Whether more is asked for than the greatest.
    pub fn is_full(&self) -> bool {
        self.draws + self.logprobs > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_off() {
        let off = Sampling::new(&Options::default());
        assert_eq!((off.draws, off.biased, off.penalised, off.logprobs), (0, 0, 0, 0));
        assert_eq!((off.top_k, off.top_p, off.min_p_below), (0, u32::MAX, 1.0));
    }

    #[test]
    fn what_is_asked_for_is_told() {
        let options = Options {
            temperature: 1e-38,
            top_p: 1.0 - f32::EPSILON / 2.0,
            min_p: 1.0,
            presence_penalty: 1.0,
            logit_bias: vec![(3, 1.0)],
            top_logprobs: Some(0),
            seed: 0x1_0000_0002,
            ..Options::default()
        };
        let told = Sampling::new(&options);
        assert_eq!((told.draws, told.biased, told.penalised, told.logprobs), (1, 1, 1, 1));
        assert_eq!((told.top_p, told.min_p_below, told.inverse), (0xffff_ff00, 0.0, 1e30));
        assert_eq!((told.seed_low, told.seed_high), (2, 1));
    }
}
