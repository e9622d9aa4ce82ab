//! From the crate `oriel-cpu` to `pkg/dist/wasm/oriel_cpu_*.wasm`: the processor's module, for each set of instructions
//! that a browser may have, with threads and without. The package fetches the one that it uses.

use super::module::{folder, wasm_opt};
use crate::process::{run, say};
use crate::setup::wasm_target;
use crate::{paths, stamp};
use anyhow::Result;
use std::path::PathBuf;

/// A module's name, and what it is built with.
struct Variant {
    name: &'static str,
    relaxed: bool,
    threads: bool,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "oriel_cpu_simd", relaxed: false, threads: false },
    Variant { name: "oriel_cpu_simd_threads", relaxed: false, threads: true },
    Variant { name: "oriel_cpu_relaxed", relaxed: true, threads: false },
    Variant { name: "oriel_cpu_relaxed_threads", relaxed: true, threads: true },
];

/// What every variant may use; relaxed SIMD and threads are named where they are wanted.
const WASM_OPT: [&str; 7] = [
    "-O3",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--strip-producers",
];

/// Builds all variants; cargo knows whether to compile, a stamp whether the rest was done for these compilations.
///
/// # Errors
/// When no compiler can be brought, or a step fails.
pub fn build() -> Result<()> {
    let compiled: Vec<PathBuf> = VARIANTS.iter().map(compile).collect::<Result<_>>()?;
    let mut inputs = stamp::Inputs::default().file(&paths::root().join("package-lock.json"))?;
    for path in &compiled {
        inputs = inputs.file(path)?;
    }
    let digest = inputs.add("wasm-opt", WASM_OPT.join(" ").as_bytes()).digest();
    let target = |variant: &Variant| folder().join(variant.name).with_extension("wasm");
    if stamp::is_fresh("processor", &digest) && VARIANTS.iter().all(|variant| target(variant).is_file()) {
        return Ok(());
    }
    for (variant, source) in VARIANTS.iter().zip(&compiled) {
        wasm_opt(&variant.wasm_opt(), source, &target(variant))?;
    }
    stamp::record("processor", &digest)
}

/// Compiles a variant and returns the module's path.
fn compile(variant: &Variant) -> Result<PathBuf> {
    let target_dir = paths::wasm_target_dir().with_file_name("wasm-cpu").join(variant.name);
    let mut cargo = wasm_target::cargo_rustc(&target_dir, "core")?;
    say(format!("compiling the processor's module: {}", variant.name));
    cargo.args(["--package", "oriel-cpu", "--lib", "--crate-type", "cdylib", "--features", "module"]);
    run(cargo.args(["--profile", "cpu"]).env("RUSTFLAGS", variant.rustflags()))?;
    Ok(target_dir.join(wasm_target::TARGET).join("cpu/oriel_cpu.wasm"))
}

impl Variant {
    fn rustflags(&self) -> String {
        let mut features = String::from("+simd128");
        let mut linker = vec!["--import-memory", "--export=__stack_pointer"];
        if self.relaxed {
            features += ",+relaxed-simd";
        }
        if self.threads {
            features += ",+atomics,+bulk-memory,+mutable-globals";
            // The compiler's own `core` is built without atomics, and has nothing that would need them.
            linker.extend(["--shared-memory", "--max-memory=4294967296", "--no-check-features"]);
        }
        let linker: String = linker.iter().map(|argument| format!(" -C link-arg={argument}")).collect();
        format!("-C target-feature={features}{linker}")
    }

    fn wasm_opt(&self) -> Vec<&'static str> {
        let relaxed = self.relaxed.then_some("--enable-relaxed-simd");
        let threads = self.threads.then_some("--enable-threads");
        WASM_OPT.into_iter().chain(relaxed).chain(threads).collect()
    }
}
