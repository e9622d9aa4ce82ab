//! Public GPUs by the figures of their makers, what engines were seen to make of them, and what others published.

use super::Published;

/// A GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpu {
    /// Its name.
    pub name: &'static str,
    /// Nominal, in GB/s.
    pub bandwidth_gb_s: f64,
    /// Nominal, in TFLOP/s; a multiply-add is two.
    pub f32_tflops: f64,
    /// What kernels make of the bandwidth, cautiously and hopefully.
    pub bandwidth_share: [f64; 2],
    /// What they make of the arithmetic.
    pub f32_share: [f64; 2],
    /// What a dispatch costs beside its work, in microseconds.
    pub gap_us: [f64; 2],
    /// Where the nominal figures stand.
    pub source: &'static str,
}

/// What a submit costs, in microseconds: an assumption, as no figure was found.
pub const SUBMIT_US: f64 = 100.0;

// Shares of the nominal bandwidth, by weights read a token times tokens a second. Base and Pro chips: 34 to 55 % by
// llama.cpp on an M2 Pro and 45 % in Chrome on an M3; 55 % is the most that was published through WebGPU. An M2 Max: 33 %
// by WebLLM, 43 % by zero-tvm, which is 48 % without 5 us for each of its 228 dispatches.
const APPLE: [f64; 2] = [0.34, 0.55];
const APPLE_MAX: [f64; 2] = [0.33, 0.48];
// Discrete cards were seen at 11 to 27 % with models of 1B, which says more of gaps than of bandwidth: 27 % is wgpu-llm on
// an RX 9070 XT. Native engines reach 50 to 65 %; half is an assumption.
const DISCRETE: [f64; 2] = [0.27, 0.5];
// ONNX Runtime's 28 tokens a second of a 3.8B in int4 on Lunar Lake are 2 GB a token: 41 %. Nothing is known of phones.
const INTEGRATED: [f64; 2] = [0.3, 0.5];

// Shares of f32 in matrix products without subgroup matrices: zero-tvm 17 % on an M2 Max, gpu.cpp 24 % on an M1 Max, jax-js
// 40 % on an M4 Max; ONNX Runtime about 60 % on Lunar Lake, in int8.
const F32: [f64; 2] = [0.17, 0.4];

// A further dispatch of a pass: 2 to 6 us on native Metal, 5 to 15 expected in Chrome; 14 at most by ONNX Runtime on D3D12,
// 24 and 50 derived from llama.cpp on a V100 and an RTX 4070, which binds anew for each.
const GAP_METAL: [f64; 2] = [15.0, 5.0];
const GAP: [f64; 2] = [30.0, 8.0];

/// The GPUs that are predicted.
pub const GPUS: &[Gpu] = &[
    apple("Apple M1", 68.0, 2.6, APPLE, "Apple, 2020: 68 GB/s, 2.6 TFLOP/s"),
    apple("Apple M2", 100.0, 3.6, APPLE, "Apple, 2022: 100 GB/s, 3.6 TFLOP/s with 10 cores"),
    apple("Apple M2 Pro", 200.0, 6.8, APPLE, "Apple, 2023: 200 GB/s, 19 cores; arithmetic by cores from the M2's"),
    apple("Apple M2 Max", 400.0, 13.6, APPLE_MAX, "Apple, 2023: 400 GB/s, 38 cores; arithmetic by cores from the M2's"),
    apple("Apple M3", 100.0, 4.1, APPLE, "Apple, 2023: 100 GB/s, 10 cores; 128 lanes each at 1.6 GHz"),
    discrete("NVIDIA RTX 4070", 504.0, 29.1, "NVIDIA: 192 bits of GDDR6X at 21 Gb/s; 5888 lanes at 2.48 GHz"),
    discrete("AMD RX 9070 XT", 640.0, 48.7, "AMD: 640 GB/s, 48.7 TFLOP/s"),
    discrete("NVIDIA Tesla V100", 900.0, 15.7, "NVIDIA, SXM2: 900 GB/s, 15.7 TFLOP/s"),
    integrated(
        "Intel Arc 140V",
        136.5,
        4.2,
        "Intel, Lunar Lake: LPDDR5X-8533 of 128 bits; 8 cores of 128 lanes at 2.05 GHz",
    ),
    integrated(
        "Qualcomm Adreno 750",
        76.8,
        2.8,
        "Qualcomm, Snapdragon 8 Gen 3: LPDDR5X at 4.8 GHz, 64 bits; 1536 lanes at 0.9 GHz",
    ),
];

const fn apple(name: &'static str, gb_s: f64, tflops: f64, share: [f64; 2], source: &'static str) -> Gpu {
    Gpu {
        name,
        bandwidth_gb_s: gb_s,
        f32_tflops: tflops,
        bandwidth_share: share,
        f32_share: F32,
        gap_us: GAP_METAL,
        source,
    }
}

const fn discrete(name: &'static str, gb_s: f64, tflops: f64, source: &'static str) -> Gpu {
    Gpu { gap_us: GAP, ..apple(name, gb_s, tflops, DISCRETE, source) }
}

const fn integrated(name: &'static str, gb_s: f64, tflops: f64, source: &'static str) -> Gpu {
    Gpu { gap_us: GAP, ..apple(name, gb_s, tflops, INTEGRATED, source) }
}

/// What others published of these GPUs and models.
pub const PUBLISHED: &[Published] = &[
    published("Apple M1", "GPT-2 124M", "WebGPT, f32, Chrome", 33.0, "0hq/WebGPT, README"),
    published("Apple M2 Pro", "Llama-3.2-1B", "llama.cpp, Dawn, Q4_K_M (named M2)", 82.9, "llama.cpp PR 21983"),
    published("Apple M2 Pro", "Llama-3.2-3B", "llama.cpp, Dawn, Q4_K_M (named M2)", 54.0, "llama.cpp PR 24811"),
    published("Apple M2 Max", "Phi-3-mini", "WebLLM, Chrome", 63.2, "abgnydn/zero-tvm, README"),
    published("Apple M2 Max", "Phi-3-mini", "zero-tvm, Chrome", 83.1, "abgnydn/zero-tvm, README"),
    published("Apple M2 Max", "Phi-3-mini", "wllama, Chrome", 26.2, "abgnydn/zero-tvm, README"),
    published("Apple M2 Max", "Qwen3-4B", "WebLLM, Chrome", 47.8, "abgnydn/zero-tvm, README"),
    published("Apple M2 Max", "Qwen3-4B", "zero-tvm, Chrome", 75.5, "abgnydn/zero-tvm, README"),
    published("Apple M3", "Llama-3.2-1B", "llama.cpp, Chrome, Q4_1", 58.6, "abhijitramesh/webgpu-bench"),
    prefilled("Apple M3", "Llama-3.2-1B", "llama.cpp, Dawn, Q4_0, subgroup matrices", 960.0, "llama.cpp PR 17031"),
    published("NVIDIA RTX 4070", "Llama-3.2-1B", "llama.cpp, Dawn, Q4_K_M", 67.0, "llama.cpp PR 23594"),
    published("NVIDIA Tesla V100", "Llama-3.2-1B", "llama.cpp, Dawn, Q4_K_M", 140.7, "llama.cpp PR 23594"),
    published("NVIDIA Tesla V100", "Llama-3.2-3B", "llama.cpp, Dawn, Q4_K_M", 77.0, "llama.cpp PR 23594"),
    published("Intel Arc 140V", "Phi-3-mini", "ONNX Runtime, Phi-3.5-mini int4", 28.0, "onnxruntime PR 23908"),
    prefilled("Intel Arc 140V", "Phi-3-mini", "ONNX Runtime, Phi-3.5-mini int4", 327.6, "onnxruntime PR 23908"),
];

const fn published(
    gpu: &'static str,
    model: &'static str,
    engine: &'static str,
    decode: f64,
    source: &'static str,
) -> Published {
    Published { gpu, model, engine, decode: Some(decode), prefill: None, source }
}

const fn prefilled(
    gpu: &'static str,
    model: &'static str,
    engine: &'static str,
    prefill: f64,
    source: &'static str,
) -> Published {
    Published { gpu, model, engine, decode: None, prefill: Some(prefill), source }
}
