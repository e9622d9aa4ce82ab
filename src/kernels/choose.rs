//! Logits -> the next token and its record, in two dispatches, by the rules of the [`Sampler`](crate::sampler::Sampler).
//!
//! `choose_partials` cuts the vocabulary into at most 512 slices of at least 256 tokens, and finds the greatest logit and
//! the mass of each. `choose` is one workgroup: it merges them, which is all that a greedy choice takes. Otherwise it
//! searches, first for the limit that top-k leaves, then for that of top-p, by distance from the greatest logit, then with
//! the sampler's own random number for the token that is drawn. A search is a radix selection, 9 bits a round, of values as
//! ordered whole numbers, and reads only slices that can hold what it looks for. There is no limit to the candidates.
//! Masses are whole numbers of 64 bits, so a draw comes out the same however lanes are scheduled.
//!
//! | of a workgroup | `choose_partials` | `choose`, greedy | `choose`, a round of a search |
//! | --- | --- | --- | --- |
//! | owns | 4 slices, 1,024 tokens | all partials | the slices that are left |
//! | reads | 4 KiB; 12 with bias and penalties | 8 bytes a slice, at most 4 KiB | 1 KiB a slice; 3 with both |
//! | operations | about 12 a token, and an `exp` where it draws | 2 a slice | about 12 a token, and an `exp` for each kept |
//! | rounds | 1; 2 with log-probabilities | 1 | top-k and top-p 1 to 4 each (2 more for ties), the draw 2 |
//! | barriers | 8; 15 where it draws | 13 | 19 |
//! | registers (estimate) | under 32 | under 32 | under 64 |
//! | shared memory | 3 KiB | 6.1 KiB | 14.1 KiB |
//!
//! * `choose_partials` is 8 waves of 32 lanes or 4 of 64. Registers allow 8 workgroups a core of 64 Ki registers and shared
//!   memory 5 of 16 KiB, so cores are full on NVIDIA, AMD, Apple and Intel; there are 48 workgroups for 49,152 tokens, 149
//!   for 151,936. Lanes read neighbouring vectors of 16 bytes, every line whole; the trees halve the distance, so lanes
//!   of a wave meet in no bank of shared memory but by the width of a pair.
//! * `choose` is alone on the device by design: WebGPU has no barrier between workgroups but the end of a dispatch, and a
//!   dispatch more costs 2 to 5 microseconds on Metal and about 10 in a browser (KERNELS.md 2.2), more than a round. Its
//!   time is latency, not bytes: a slice's 64 vectors are read by 64 neighbouring lanes, four slices at once. Bins are
//!   added to by atomics, which serialise lanes that meet in one; since a search starts from a bound near its end (the
//!   k-th greatest of the slices' greatest; what all tokens together could weigh), few tokens reach them.
//! * Evidence: WebLLM spends about 20 dispatches a token on this (KERNELS.md 2.2), and reading logits back instead costs
//!   5 to 15 ms in Chrome (2.3). For single makers KERNELS.md has no sampler's time; nothing here needs subgroups, whose
//!   widths differ from 4 to 128 (7.7), and no float decides by being infinite or no number (7.1, 7.2).

mod sampling;

pub use sampling::Sampling;

use super::{Binding::*, Constants, Dispatch, Grid, Kernel, Resource, RowVariant, stride};
use crate::plan::{Plan, Tensor, View};
use crate::sampler::Chosen;
use crate::{Error, Result};

/// Words in a record: the token, flags, its log-probability, how many of the likeliest follow, and for each of these a token
/// and its log-probability.
pub const RECORD: u32 = 48;

/// Records that a plan has room for: tokens that may be under way before the host has read one.
pub const RECORDS: u32 = 32;

/// The token of a record where none could be chosen.
const NONE: u32 = u32::MAX;

/// Flags of a record: a logit was no number, none was finite, log-probabilities were asked for.
const NO_NUMBER: u32 = 1;
const NONE_FINITE: u32 = 2;
const LOGPROBS: u32 = 4;

/// Words for each slice: key, token and mass, after bias and penalties and then of the logits as they are.
const PARTIALS: u32 = 6;

/// Tokens in the smallest slice, and most slices, as the shaders have them.
const LEAST_SLICE_BITS: u32 = 8;
const MOST_SLICES: u32 = 512;

/// Sums of masses have room for so many tokens.
const MOST_TOKENS: u32 = 1 << 20;

mod partials {
    use crate::kernels::{Binding::*, Kernel};

    params! { struct Params { width: u32, slices: u32, slice_bits: u32 } }

    /// A team of lanes per slice.
    pub const CHOOSE_PARTIALS: Kernel = kernel!("choose_partials", workgroup 256, Params, [
        Read("logits"), Read("sampling"), Read("bias"), Read("counts"), Write("partials"),
    ]);

    /// An invocation per slice.
    pub const CHOOSE_PARTIALS_LANE: Kernel = kernel!("choose_partials_lane", workgroup 32, Params, [
        Read("logits"), Read("sampling"), Read("bias"), Read("counts"), Write("partials"),
    ]);

    pub fn params(width: u32, slices: u32, slice_bits: u32) -> Vec<u8> {
        bytemuck::bytes_of(&Params { width, slices, slice_bits }).to_vec()
    }
}

pub use partials::{CHOOSE_PARTIALS, CHOOSE_PARTIALS_LANE};

params! { struct Params { width: u32, slices: u32, slice_bits: u32, y_stride: u32 } }

/// `shaders/choose.wgsl`.
pub const CHOOSE: Kernel = kernel!("choose", workgroup 256, Params, [
    Read("logits"), Read("sampling"), Read("bias"), Read("partials"), Write("counts"), Write("tokens"), Write("y"),
]);

/// Those of [`CHOOSE_PARTIALS`] by subgroups, a slice to a workgroup.
pub const CHOOSE_PARTIALS_SUBGROUPS: Kernel = Kernel { workgroup: 64, ..CHOOSE_PARTIALS.with_subgroups() };

/// The same with fewer lanes, which a rasteriser runs one after the other and switches between at every barrier. Not with
/// fewer still: llvmpipe ends all loops once an invocation has gone through 65,535 iterations.
pub const CHOOSE_LANE: Kernel = Kernel { workgroup: 64, ..CHOOSE };

/// How a vocabulary is cut: the number of slices, and the power of two that is the size of each.
fn slices(vocab: u32) -> (u32, u32) {
    let bits = vocab.div_ceil(MOST_SLICES).next_power_of_two().trailing_zeros().max(LEAST_SLICE_BITS);
    (vocab.div_ceil(1 << bits), bits)
}

/// The choice by the one row of logits, into the record of [`Live::slot`](crate::plan::Live::slot).
///
/// # Errors
/// `Unsupported` for a vocabulary of more than 2^20 tokens.
pub fn lower(plan: &Plan, logits: View, y: Tensor, variant: RowVariant) -> Result<Vec<Dispatch>> {
    if logits.width > MOST_TOKENS {
        let message = format!("a vocabulary of {} tokens; supported on a GPU: up to {MOST_TOKENS}", logits.width);
        return Err(Error::Unsupported(message));
    }
    let (slices, slice_bits) = slices(logits.width);
    let dispatch = |kernel: &'static Kernel, params, resources, groups| Dispatch {
        kernel,
        constants: Vec::new(),
        params,
        resources,
        matrix: None,
        grid: Grid::new(groups, logits.tensor, 1),
    };
    let (kernels, slices_each) = match variant {
        RowVariant::Shared => ([&CHOOSE_PARTIALS, &CHOOSE], 4),
        RowVariant::Subgroups => ([&CHOOSE_PARTIALS_SUBGROUPS, &CHOOSE], 1),
        RowVariant::Lane => ([&CHOOSE_PARTIALS_LANE, &CHOOSE_LANE], CHOOSE_PARTIALS_LANE.workgroup),
    };
    let (row, parts) = (Resource::Tensor(logits.tensor), Resource::Scratch(slices * PARTIALS));
    let first = dispatch(
        kernels[0],
        partials::params(logits.width, slices, slice_bits),
        vec![row, Resource::Sampling, Resource::Bias, Resource::Counts, parts],
        slices.div_ceil(slices_each),
    );
    let params = Params { width: logits.width, slices, slice_bits, y_stride: stride(plan, y) };
    let mut second = dispatch(
        kernels[1],
        bytemuck::bytes_of(&params).to_vec(),
        vec![row, Resource::Sampling, Resource::Bias, parts, Resource::Counts, Resource::Tokens, Resource::Tensor(y)],
        1,
    );
    second.constants = constants(false);
    Ok(vec![first, second])
}

/// The constants of [`CHOOSE`] for options that only take the greatest, or for all: the latter take a while to compile, so
/// they are asked for once they are needed.
pub fn constants(full: bool) -> Constants {
    vec![("FULL", f64::from(u8::from(full)))]
}

/// Bytes that one of the dispatches has to read and to write where the greatest is taken.
pub fn greedy_bytes(dispatch: &Dispatch, vocab: u32) -> (u64, u64) {
    // The key and the token of each slice.
    let merged = u64::from(slices(vocab).0) * 8;
    match dispatch.kernel.name {
        "choose" => (merged, 16),
        _ => (u64::from(vocab) * 4, merged),
    }
}

/// The record of a choice.
pub fn encode(chosen: &Chosen) -> Vec<u32> {
    let flags = if chosen.logprob.is_some() { LOGPROBS } else { 0 };
    let mut record = vec![chosen.token, flags, chosen.logprob.unwrap_or(0.0).to_bits(), chosen.top.len() as u32];
    record.extend(chosen.top.iter().flat_map(|(token, logprob)| [*token, logprob.to_bits()]));
    record.resize(RECORD as usize, 0);
    record
}

/// The choice that a record tells.
///
/// # Errors
/// `Model` where the logits allowed none.
pub fn decode(record: &[u32]) -> Result<Chosen> {
    let &[token, flags, logprob, count, ref pairs @ ..] = record else {
        return Err(Error::Device(format!("a record of a choice has {} words", record.len())));
    };
    if flags & NO_NUMBER != 0 || token == NONE && flags & NONE_FINITE == 0 {
        let message =
            "a logit of the next token is no number: the model's numbers overflowed or its weights are damaged";
        return Err(Error::Model(message.into()));
    }
    if flags & NONE_FINITE != 0 {
        return Err(Error::Model("none of the logits is finite, so no token can be chosen".into()));
    }
    let logprob = (flags & LOGPROBS != 0).then_some(f32::from_bits(logprob));
    let top = pairs.chunks_exact(2).take(count as usize).map(|pair| (pair[0], f32::from_bits(pair[1])));
    Ok(Chosen { token, logprob, top: top.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_the_choice() {
        let plain = Chosen { token: 7, logprob: None, top: Vec::new() };
        let most = (0..20).map(|token| (token, -0.5 * token as f32)).collect();
        for chosen in [plain, Chosen { token: 3, logprob: Some(-1.5), top: most }] {
            let record = encode(&chosen);
            assert_eq!(record.len(), RECORD as usize);
            assert_eq!(decode(&record), Ok(chosen));
        }
        for (record, code) in
            [([NONE, NO_NUMBER, 0, 0], "model-mismatch"), ([NONE, NONE_FINITE, 0, 0], "model-mismatch")]
        {
            assert_eq!(decode(&record).unwrap_err().code(), code);
        }
        assert_eq!(decode(&[1, 2]).unwrap_err().code(), "device");
    }

    #[test]
    fn slices_cover_the_vocabulary() {
        for (vocab, expected) in
            [(1, (1, 8)), (256, (1, 8)), (257, (2, 8)), (49_152, (192, 8)), (151_936, (297, 9)), (1 << 20, (512, 11))]
        {
            assert_eq!(slices(vocab), expected, "{vocab}");
        }
    }
}
