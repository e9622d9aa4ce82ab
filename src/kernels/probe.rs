//! Kernels that are part of no plan: they measure what an adapter can give, to hold the others against it.

use super::{Binding::*, Kernel};
use crate::format::{BLOCK, Format};

params! { struct Params { rounds: u32, lanes: u32, step: u32 } }

/// Reads a buffer once.
pub const READ: Kernel = kernel!("probe_read", workgroup 64, Params, [Read("x"), Write("y")]);

/// Multiply-adds of f32 in registers: few enough chains that they stay in those of a processor too.
pub const FMA: Kernel = kernel!("probe_fma", workgroup 64, Params, [Write("y")]);

/// Blocks of weights in registers times x: four blocks a round.
pub const DOT: Kernel = kernel!("probe_dot", workgroup 64, Params, [Write("y")]);

/// Packed products of i8 in registers.
pub const PACKED: Kernel = kernel!("probe_packed", workgroup 64, Params, [Write("y")]);

/// One invocation that adds to a word.
pub const EMPTY: Kernel = kernel!("probe_empty", workgroup 64, Params, [Write("y")]);

/// Multiply-adds of an invocation in a round of [`FMA`].
pub const FMA_MADDS: u32 = 48;

/// Multiply-adds of an invocation in a round of [`PACKED`].
pub const PACKED_MADDS: u32 = 32;

/// Blocks of weights, each a row of a matrix, in a round of [`DOT`]: as many as a lane of a mat-vec holds at once.
const BLOCKS: u32 = 4;

/// Multiply-adds of an invocation in a round of [`DOT`].
pub const DOT_MADDS: u32 = BLOCKS * BLOCK;

/// The uniform of a probe. `step` is 0: only the compiler must not know.
pub fn params(rounds: u32, lanes: u32) -> Vec<u8> {
    bytemuck::bytes_of(&Params { rounds, lanes, step: 0 }).to_vec()
}

/// The functions of a format over [`BLOCKS`] blocks in private variables in place of bindings; `fill`, which gives them
/// values, and `advance`, which adds to every word of them.
pub(super) fn registers(format: Format) -> String {
    let word = if format == Format::F32 { "vec4<f32>" } else { "vec4<u32>" };
    let words = BLOCKS * (format.value_bytes() / 16) as u32;
    let functions = format.wgsl().lines().filter(|line| !line.starts_with("@group"));
    let each = |count: u32, line: &dyn Fn(u32) -> String| (0..count).map(line).collect::<String>();
    let mut text = format!("alias Word = {word};\nvar<private> weights: array<Word, {words}>;\n");
    text += &format!("var<private> scales: array<u32, {BLOCKS}>;\n\nfn fill(seed: u32) {{\n");
    // Halves and bytes of moderate size: 0x3c00 is 1 in f16.
    text +=
        &each(words, &|i| format!("    weights[{i}] = Word(vec4<u32>(0x30003000u + (seed + {i}u) * 0x00070007u));\n"));
    text += &each(BLOCKS, &|i| format!("    scales[{i}] = 0x3c003c00u + seed + {i}u;\n"));
    text += "}\n\nfn advance(step: u32) {\n";
    text += &each(words, &|i| format!("    weights[{i}] += Word(vec4<u32>(step));\n"));
    text += &each(BLOCKS, &|i| format!("    scales[{i}] += step;\n"));
    text += "}\n\n";
    functions.fold(text, |text, line| text + line + "\n")
}
