//! From Rust to `pkg/dist/wasm`: cargo compiles, wasm-bindgen writes the JavaScript side, wasm-opt makes it small.

use crate::process::{at_root, run, run_long, say};
use crate::setup::wasm_target;
use crate::{paths, stamp};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use wasm_bindgen_cli_support::Bindgen;

/// Smallest first, and the features that the compiler's own defaults use, one by one: `--all-features` would write
/// imports that browsers refuse.
const WASM_OPT: [&str; 7] = [
    "-Oz",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Where the module goes: `oriel.js`, its types, and `oriel_bg.wasm`.
pub fn folder() -> PathBuf {
    super::package_dist().join("wasm")
}

/// Builds the module; cargo knows whether to compile, a stamp whether the rest has been done for this compilation.
///
/// # Errors
/// When no compiler can be brought, or one of the three steps fails.
pub fn build() -> Result<()> {
    let compiled = compile()?;
    let inputs = stamp::Inputs::default().file(&compiled)?.file(&paths::root().join("package-lock.json"))?;
    let digest = inputs.add("wasm-opt", WASM_OPT.join(" ").as_bytes()).digest();
    if stamp::is_fresh("module", &digest) && folder().join("oriel_bg.wasm").is_file() {
        return Ok(());
    }
    let bound = paths::scratch().join("bindgen");
    bind(&compiled, &bound)?;
    publish(&bound, &folder())?;
    stamp::record("module", &digest)
}

/// Compiles the library and returns the module's path.
fn compile() -> Result<PathBuf> {
    let mut cargo = wasm_target::cargo_rustc(&paths::wasm_target_dir(), "std")?;
    say("compiling the library to WebAssembly");
    run(cargo.args(["--package", "oriel", "--lib", "--profile", "web"]))?;
    Ok(paths::wasm_target_dir().join(wasm_target::TARGET).join("web/oriel.wasm"))
}

/// Runs wasm-bindgen's library; the crate's version is pinned to that of the crate which the code uses.
fn bind(compiled: &Path, bound: &Path) -> Result<()> {
    say("writing the module's JavaScript side (wasm-bindgen)");
    paths::recreate(bound)?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled).out_name("oriel").web(true)?;
    bindgen.typescript(true).remove_name_section(true).remove_producers_section(true);
    bindgen.generate(bound).context("wasm-bindgen failed")
}

/// Copies wasm-bindgen's files, the module itself through wasm-opt.
fn publish(bound: &Path, folder: &Path) -> Result<()> {
    paths::recreate(folder)?;
    for source in stamp::files_under(bound, &[])? {
        let target = folder.join(source.strip_prefix(bound)?);
        fs::create_dir_all(target.parent().unwrap_or(folder))?;
        match source.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => optimise(&source, &target)?,
            Some("js") => minify(&source, &target)?,
            _ => drop(fs::copy(&source, &target).with_context(|| format!("copying {}", source.display()))?),
        }
    }
    Ok(())
}

fn optimise(source: &Path, target: &Path) -> Result<()> {
    let before = fs::metadata(source)?.len();
    say(format!("making the module small (wasm-opt; {} KB)", before / 1000));
    wasm_opt(&WASM_OPT, source, target)?;
    say(format!("the module is {} KB now", fs::metadata(target)?.len() / 1000));
    Ok(())
}

/// wasm-bindgen's comments are for readers of its types.
fn minify(source: &Path, target: &Path) -> Result<()> {
    let script = "import { build } from 'esbuild'; const [, entry, outfile] = process.argv; \
                  await build({ entryPoints: [entry], outfile, minify: true, format: 'esm' });";
    let mut node = at_root("node");
    node.args(["--input-type=module", "--eval", script, "--"]).arg(source).arg(target);
    run(&mut node).context("esbuild failed")
}

/// Runs wasm-opt, which comes as JavaScript with the npm package `binaryen`.
pub(super) fn wasm_opt(options: &[&str], source: &Path, target: &Path) -> Result<()> {
    let mut node = at_root("node");
    node.arg("node_modules/binaryen/bin/wasm-opt").args(options).arg(source).arg("-o").arg(target);
    run_long(&mut node, "optimising the module")
}
