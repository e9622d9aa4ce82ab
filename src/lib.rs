//! Oriel runs language models in the browser window, on hand-written WGSL.
//!
//! Data flows one way, and the modules stand in that order:
//!
//! ```text
//! bytes --gguf/safetensors--> Manifest --weights--> Weights --models--> Plan --fuse--> Plan --gpu | cpu--> logits
//!       --sampler--> token --tokenizer--> text --web--> package --> page
//! ```
//!
//! Nothing below [`session`] does I/O: the caller fetches, the core is handed bytes.

pub mod error;

pub mod format;

pub mod manifest;

pub mod gguf;

pub mod safetensors;

pub mod weights;

pub mod intake;

pub mod plan;

pub mod fuse;

pub mod models;

pub mod kernels;

pub mod executor;

pub mod gpu;

pub mod cpu;

#[cfg(not(target_arch = "wasm32"))]
pub mod reference;

pub mod sampler;

pub mod tokenizer;

pub mod template;

pub mod session;

#[cfg(target_arch = "wasm32")]
pub mod web;

pub use error::{Error, Result};
