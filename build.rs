//! From `shaders/` to what the library embeds: the same lines without their comments, which a page need not download. No
//! line goes, so numbers in a compiler's message are those of the file.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    strip(Path::new("shaders"), &Path::new(&out).join("shaders"))
}

fn strip(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let source = entry?.path();
        let target = to.join(source.file_name().unwrap_or_default());
        if source.is_dir() {
            strip(&source, &target)?;
        } else {
            fs::write(&target, fs::read_to_string(&source)?.lines().map(code).collect::<String>())?;
        }
    }
    Ok(())
}

/// A line without its comment: WGSL has no strings in which two slashes could stand.
fn code(line: &str) -> String {
    let code = line.split("//").next().unwrap_or_default();
    format!("{}\n", code.trim())
}
