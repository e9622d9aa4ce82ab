//! From a fresh machine to one that can build and test: each file brings one thing, and uses what is there already.

pub mod apt;
pub mod browser;
pub mod firefox;
pub mod model;
pub mod node;
pub mod python;
pub mod vulkan;
pub mod wasm_target;
