//! Several rows times a matrix of q4 or q8 by products of packed bytes: `dot4I8Packed` multiplies four weights by four
//! activations and adds the products up, exactly. Activations are [quantised](super::quantise) before, once a step.
//!
//! With w = s u + m and x = c (256 h + l), a block of 32 is c s (256 sum(u h) + sum(u l)) + m c sum(256 h + l): sixteen
//! packed products (eight where numbers have one plane), an integer, two multiply-adds. Integers are exact (below
//! 2^27), so results differ from f32's by the rounding of activations alone.
//!
//! `shaders/matmul_packed.wgsl`, a tile of 64x64 by 256 lanes, for each block of 32 inputs of q4 (20 bytes), beside the
//! tile of f32 with the same lanes:
//!
//! | | multiply-adds | instructions of them | bytes read | shared memory | of it read for each multiply-add |
//! | --- | --- | --- | --- | --- | --- |
//! | f32 | 131,072 | 512 a lane | 9,472 | 10 KiB | 2 bytes |
//! | two planes | 131,072 | 256 a lane | 6,400 | 8 KiB | 1 byte |
//! | one plane | 131,072 | 128 a lane | 4,352 | 8 KiB | 0.5 bytes |
//!
//! - Registers: 16 sums, 16 integers, 16 words of weights, 4 of inputs, up to 14 on their way: some 70 with addresses,
//!   a little more than a tile of f32. At 72 an NVIDIA multiprocessor holds 3 workgroups, an AMD SIMD 21 waves of 32
//!   (RDNA).
//! - Occupancy: 8 KiB let 4 workgroups stand in Apple's 32 KiB, 8 in 64 KiB, 12 in NVIDIA's 100: never the limit.
//! - Banks: an output is 48 bytes from the next and a row 80, so eight lanes' reads of 16 bytes meet nowhere; lanes
//!   above each other read the same weights, which are broadcast.
//! - Coalescing: two lanes share an output's block; of q8 they read 32 bytes together. A row's block is 80 bytes (48)
//!   in one go by five (three) lanes.
//! - Evidence: Vulkan and DX12 have an instruction for four products, which NVIDIA, AMD, Intel and Qualcomm carry out
//!   as one. On NVIDIA it is as fast as f32's or half as fast, so that two planes are no gain in arithmetic there; but
//!   shared memory bounds a tile of f32, and half of it is read. llama.cpp gained 4 to 13 % on a V100 and 1 % on an RTX
//!   4070, with eight bits and when decoding; ONNX Runtime takes packed products for 32 rows and more, on Qualcomm for
//!   any. On Apple the product is taken apart into four, and llama.cpp lost 5 to 11 %.
//! - Without such an instruction it is eight extractions and four multiply-adds. SwiftShader needs 2.4 times as long by
//!   this tile as by the one of f32, llvmpipe as long (half of it by one plane): f32's lanes win on both, which the
//!   measurement at load finds.
//!
//! `shaders/matmul_lane_packed.wgsl`: 16 rows by 8 outputs to a lane, as the lane of f32, for rasterisers. By two
//! planes it takes 1.4 to 2 times as long as that on llvmpipe and 4.5 times on SwiftShader, by one 0.9 and 2.5 times.
//!
//! One row is left to f32 on every adapter. It is bound by reading weights, which packed products read all the same,
//! and quantising would be a dispatch of its own in four of a layer's five steps: 274 instead of 154 a token for 30
//! layers. Done by each team for itself, and so for every four rows anew, it is some ten operations for each input,
//! where f32 has four multiply-adds and some 12 to decode: more than packed products could save.

use super::{Binding::*, Kernel};
use crate::format::Format;

params! { struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 } }

/// A tile of 64 rows by as many outputs, through shared memory.
pub const MATMUL_PACKED: Kernel =
    kernel!("matmul_packed", workgroup 256, Params, [Read("q"), Read("bias"), Write("y")]);

/// An invocation per 16 rows by eight outputs.
pub const MATMUL_LANE_PACKED: Kernel =
    kernel!("matmul_lane_packed", workgroup 16, Params, [Read("q"), Read("bias"), Write("y")]);

/// Whether a format's weights are whole numbers, which can be multiplied so.
pub fn takes(format: Format) -> bool {
    matches!(format, Format::Q4 | Format::Q8)
}
