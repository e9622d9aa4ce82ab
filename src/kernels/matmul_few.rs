//! Two to eight rows times a matrix in any format: short prompts that follow a conversation, and tokens that are
//! checked together. A tile of 32 rows would be mostly padding; one row after another would read the matrix as often.
//!
//! `shaders/matmul_few.wgsl`, by team of lanes that share four outputs, 64 lanes in a workgroup. For four rows of the
//! matrix and 32 inputs, one block of each, in q4 (80 bytes), with n rows in use:
//!
//! | | n = 2 | n = 4 | n = 8 |
//! | --- | --- | --- | --- |
//! | multiply-adds | 256 | 512 | 1,024 |
//! | bytes from memory, the inputs being in caches | 80 | 80 | 80 |
//! | multiply-adds for each of them | 3.2 | 6.4 | 12.8 |
//! | bytes of inputs from the cache of level 1 | 256 | 512 | 1,024 |
//!
//! - Bound: 6 to 26 operations for each byte of weights are fewer than a device does in the time that it reads one
//!   (Apple's M2 36, an RTX 4070 58), so memory would allow eight rows in the time of one. The inputs are what comes
//!   first at eight: 13 bytes of them for each of weights, from a cache that gives 64 to 128 bytes a clock. One row of
//!   padding is the most.
//! - Registers: 32 sums, 16 weights, 4 inputs and as many addresses: some 64.
//! - Shared memory: 9 KiB, for the sums of 64 lanes, written once. 32 KiB (Apple) hold 3 workgroups, 64 KiB (AMD,
//!   Intel) 7, 100 KiB (NVIDIA) 11. Workgroups are two warps of 32 or a wave of 64, and teams divide both.
//! - Barriers: one. The team's sums are then added up by row: two to eight of its lanes read 16 bytes each of every
//!   other's.
//! - Banks: a lane's sums stand 144 bytes from its neighbour's, so eight lanes' writes of 16 bytes meet nowhere.
//! - Coalescing: neighbouring lanes read neighbouring groups of four inputs, 16 bytes, and of a row of the matrix 2
//!   bytes of q4 (a word for two lanes), 4 of q8, 8 of f16. Of one row a team of 16 takes 32 bytes of q4 at a time, and
//!   the teams beside it read the same inputs.
//! - Evidence: on Apple mat-vecs of 2 to 4 rows gave llama.cpp's Metal 1.4 to 2.6 times the tokens (PR 10491), and
//!   without one speculation lost, 10 tokens/s against 26 (PR 24811). On Intel ONNX Runtime's wide tiles of 16 rows
//!   rest on the same sum. For NVIDIA, AMD, Adreno and Mali nothing is published.

use super::matvec::Team;
use super::{Binding::*, Constants, Kernel};

params! { struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 } }

/// A team of lanes per four outputs of all rows.
pub const MATMUL_FEW: Kernel = kernel!("matmul_few", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// Rows that it takes at most.
pub const FEW_ROWS: u32 = 8;

/// Outputs that a workgroup computes, where the matrix, times one row, is best taken by such a team.
pub(super) fn outputs_each(team: Team) -> u32 {
    4 * MATMUL_FEW.workgroup / lanes(team)
}

pub(super) fn constants(team: Team) -> Constants {
    vec![("TEAM", f64::from(lanes(team)))]
}

/// Lanes on their own are served by `matmul_lane`; where only one row is best taken that way, this many share its outputs.
fn lanes(team: Team) -> u32 {
    if team == Team::T1 { Team::T4.lanes() } else { team.lanes() }
}
