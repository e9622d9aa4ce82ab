//! How fast a software adapter and the processor are, for the worker that chooses between them.

use super::machine::{Processor, ProcessorModule};
use super::{Answer, throw};
use crate::cpu::Activations;
use crate::executor::Executor;
use crate::gpu::GpuOptions;
use crate::{kernels, session};
use wasm_bindgen::prelude::*;

/// Bytes of weights a second that the GPU multiplies, which the browser calls `adapter`: see [`session::speed`].
#[wasm_bindgen(js_name = gpuSpeed)]
pub async fn gpu_speed(adapter: Option<String>) -> Answer<f64> {
    let mut executor = Executor::gpu(GpuOptions::default()).await.map_err(throw)?;
    if let Some(name) = adapter {
        executor.rename(&name);
    }
    session::speed(&mut executor).await.map_err(throw)
}

/// The same of the processor, by its module, with activations as they are asked for.
#[wasm_bindgen(js_name = processorSpeed)]
pub async fn processor_speed(module: ProcessorModule, activations: &str) -> Answer<f64> {
    let activations = Activations::parse(activations).map_err(throw)?;
    let mut executor = Executor::cpu(Box::new(Processor::new(module)), activations);
    session::speed(&mut executor).await.map_err(throw)
}

/// The version, by which measurements are kept.
#[wasm_bindgen]
pub fn version() -> String {
    kernels::tuning::VERSION.into()
}
