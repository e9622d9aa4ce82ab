//! The steps of a forward pass on the processor, as a program over addresses: SIMD, and as many threads as there are.
//!
//! The core lowers a plan to [`Op`](op::Op)s, puts weights and tensors into this crate's memory, and asks for runs.
//! Natively that is a call. On the web this crate is a module of its own, built for several sets of instructions, with a
//! memory of its own that may be shared among threads; the core's module stays as small as it is.
//!
//! - [`lanes`]: eight numbers at once, and what the processor calls that.
//! - [`pack`]: the order in which weights are read.
//! - [`op`]: what a program says; [`run`]: its way through it, thread by thread.
//! - `matmul`, `attention`, `rows`: the arithmetic.
//!
//! # Safety
//! Addresses are numbers here. Whoever writes a program, the core's `cpu` module, answers for every address in it: that the
//! memory is there, as long as the shapes say, and that two threads' shares of an op don't meet. All functions that follow
//! addresses are `unsafe` and rest on that alone, so their bodies aren't marked anew.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![allow(unsafe_op_in_unsafe_fn, reason = "every function that follows addresses rests on the program's promise")]
#![allow(clippy::missing_safety_doc, reason = "the promise is the same throughout and stands above")]

mod attention;
pub mod lanes;
mod matmul;
#[cfg(feature = "module")]
mod module;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
pub mod op;
pub mod pack;
mod quantise;
mod rows;
pub mod run;
pub mod team;
