//! The command `oriel` as its users run it: what it prints, what it refuses, and how it ends.

mod answers;
mod profile;
mod refusals;
mod reports;
mod tuning;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run of the command printed, and its exit status.
struct Run {
    status: i32,
    out: String,
    err: String,
}

/// Runs the command.
fn oriel(arguments: &[&str]) -> Run {
    oriel_with_cache(arguments, &scratch("cache"))
}

/// Runs it with another folder for what it keeps.
fn oriel_with_cache(arguments: &[&str], cache: &Path) -> Run {
    let Output { status, stdout, stderr } = command(cache).args(arguments).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("the command prints UTF-8");
    let run = Run { status: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) };
    assert!(!run.err.contains("panicked"), "{arguments:?}\n{}", run.err);
    run
}

/// The command with a folder for what it keeps.
fn command(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
    for name in ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
        command.env(name, cache);
    }
    command
}

impl Run {
    /// What it printed, having succeeded.
    fn text(self) -> String {
        assert_eq!(self.status, 0, "{}", self.err);
        self.out
    }

    /// The one JSON value that it printed, having succeeded.
    fn json(self) -> Value {
        serde_json::from_str(&self.text()).expect("the command prints one JSON value")
    }

    /// The message with which it refused its input.
    fn refusal(self) -> String {
        assert_eq!(self.status, 2, "{}{}", self.out, self.err);
        assert_eq!(self.out, "");
        self.err
    }
}

/// A small checkpoint with known answers: `tests/golden/NAME`.
fn golden(name: &str) -> String {
    path(&["tests", "golden", name])
}

fn path(parts: &[&str]) -> String {
    let path = parts.iter().fold(PathBuf::from(env!("CARGO_MANIFEST_DIR")), |path, part| path.join(part));
    path.display().to_string()
}

/// A real chat model.
fn smollm2() -> String {
    let path = path(&["models", "SmolLM2-135M-Instruct.Q4_1.gguf"]);
    assert!(Path::new(&path).exists(), "{path} is missing: run `cargo xtask model` first");
    path
}

/// A file for this test alone.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("command");
    std::fs::create_dir_all(&folder).expect("the folder for temporary files can be made");
    folder.join(name)
}
