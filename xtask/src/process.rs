//! From a command to its result: running other programs, and telling the person at the terminal about it.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a silent program is reported as still running.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Says in a line what is being done.
pub fn say(message: impl AsRef<str>) {
    eprintln!("xtask: {}", message.as_ref());
}

/// `cargo` of the toolchain that runs this program, started in the repository's root.
pub fn cargo() -> Command {
    at_root(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `npm`, started in the repository's root.
pub fn npm() -> Command {
    at_root(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// Any program, started in the repository's root.
pub fn at_root(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::paths::root());
    command
}

/// Runs a program that shows its own progress.
///
/// # Errors
/// When it can't be started or doesn't succeed; the message holds the whole command line.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start {}", line(command)))?;
    expect_success(command, status)
}

/// Runs a program that may be silent for long, and says from time to time that it is still running.
///
/// # Errors
/// As [`run`].
pub fn run_long(command: &mut Command, what: &str) -> Result<()> {
    let mut child = spawn(command)?;
    let started = Instant::now();
    let mut reported = started;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if reported.elapsed() >= HEARTBEAT {
            reported = Instant::now();
            say(format!("still {what} ({} s)", started.elapsed().as_secs()));
        }
        sleep(Duration::from_millis(50));
    };
    expect_success(command, status)
}

/// Runs a program that tells its progress by standard error, and returns what it prints.
///
/// # Errors
/// As [`run`].
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("could not start {}", line(command)))?;
    expect_success(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program for at most `limit`, then ends it; true if it succeeded in time.
pub fn succeeds_within(command: &mut Command, limit: Duration) -> Result<bool> {
    let mut child = spawn(command)?;
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// What a program prints, trimmed; none if it can't be started or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// The first of these programs that `PATH` has.
pub fn on_path(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let files: Vec<String> = names.iter().map(|name| format!("{name}{}", env::consts::EXE_SUFFIX)).collect();
    let mut candidates = files.iter().flat_map(|file| folders.iter().map(move |folder| folder.join(file)));
    candidates.find(|path| path.is_file())
}

/// `/root/x/y` as `x/y`, for messages.
pub fn short(path: &Path) -> String {
    path.strip_prefix(crate::paths::root()).unwrap_or(path).display().to_string()
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().with_context(|| format!("could not start {}", line(command)))
}

fn expect_success(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// The command line as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
