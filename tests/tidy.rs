//! From the repository's text to a verdict on what reviewers forget: where the outside world is named, how long files
//! and functions get, whether a file says what it is, and whether links lead anywhere.

use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 500;
/// The aim is 120, as rustfmt has it; a last word may stand over.
const MOST_COLUMNS: usize = 125;
const MOST_LINES_OF_A_FUNCTION: usize = 90;

/// The folders that people write in.
const FOLDERS: [&str; 9] = ["src", "cpu", "shaders", "pkg", "www", "examples", "docs", "tests", "xtask"];
/// Folders inside them that tools write in.
const GENERATED: [&str; 3] = ["node_modules", "dist", "__pycache__"];
/// What source files end in.
const SOURCES: [&str; 6] = ["rs", "wgsl", "ts", "js", "mjs", "css"];

/// A source file or a page of documentation.
struct Source {
    /// From the root, with slashes.
    path: String,
    text: String,
}

impl Source {
    fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    fn is_code(&self) -> bool {
        SOURCES.contains(&self.ending())
    }

    /// The lines that hold one of these words, as `path:line: word`.
    fn places(&self, words: &[&str]) -> Vec<String> {
        let lines = self.text.lines().zip(1..);
        let hits = lines.flat_map(|(line, number)| words.iter().map(move |word| (line, number, word)));
        let hits = hits.filter(|(line, _, word)| line.contains(*word));
        hits.map(|(_, number, word)| format!("{}:{number}: {word}", self.path)).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut paths = files(root()).0;
    for folder in FOLDERS {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(root()).expect("it was found under the root");
        let relative = relative.to_string_lossy().replace('\\', "/");
        let source = Source { path: relative, text: String::new() };
        let wanted = source.is_code() || source.ending() == "md";
        wanted.then(|| Source { text: fs::read_to_string(path).expect("sources are UTF-8"), ..source })
    };
    paths.into_iter().filter_map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let (files, folders) = files(folder);
    paths.extend(files);
    for folder in folders {
        if !GENERATED.iter().any(|name| folder.ends_with(name)) {
            collect(&folder, paths);
        }
    }
}

/// The files and the folders in a folder.
fn files(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.flatten().map(|entry| entry.path()).partition(|path| path.is_file())
}

/// Fails with every fault that `check` finds in any file.
fn expect_none(rule: &str, check: impl Fn(&Source) -> Vec<String>) {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the library was not found");
    let faults: Vec<String> = sources.iter().flat_map(check).collect();
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

#[test]
fn the_outside_world_is_named_in_one_place() {
    let only_in = |home: &str, words: &[&str]| {
        expect_none(&format!("only {home} names {words:?}"), |source| {
            let elsewhere = source.path.starts_with("src/") && !source.path.starts_with(home);
            if elsewhere { source.places(words) } else { Vec::new() }
        });
    };
    expect_none("only lanes name instructions", |source| {
        let elsewhere = source.path.starts_with("cpu/src/") && !source.path.starts_with("cpu/src/lanes/");
        if elsewhere { source.places(&["arch::x86_64", "arch::aarch64", "v128", "f32x4"]) } else { Vec::new() }
    });
    only_in("src/gpu", &["wgpu::"]);
    only_in("src/web", &["wasm_bindgen", "js_sys::", "web_sys::"]);
}

#[test]
fn every_file_says_what_it_is() {
    expect_none("the first line says from what to what the file leads", |source| {
        let opening = match source.ending() {
            "rs" => "//!",
            "wgsl" | "ts" | "js" | "mjs" => "//",
            "css" => "/*",
            _ => "",
        };
        let silent = !source.text.trim_start().starts_with(opening);
        silent.then(|| format!("{} opens without {opening}", source.path)).into_iter().collect()
    });
}

#[test]
fn files_and_lines_are_short() {
    expect_none("short files, short lines", |source| {
        if !source.is_code() {
            return Vec::new();
        }
        // Rust's code is rustfmt's matter, and a table's row can't be wrapped.
        let is_ours =
            |line: &str| source.ending() != "rs" || line.trim_start().starts_with("//") && !line.contains(" | ");
        let long = |line: &&(&str, usize)| is_ours(line.0) && line.0.chars().count() > MOST_COLUMNS;
        let lines: Vec<(&str, usize)> = source.text.lines().zip(1..).collect();
        let mut faults: Vec<String> = lines
            .iter()
            .filter(long)
            .map(|(_, number)| format!("{}:{number} has over {MOST_COLUMNS} columns", source.path))
            .collect();
        if lines.len() > MOST_LINES {
            faults.push(format!("{} has {} lines; at most {MOST_LINES}", source.path, lines.len()));
        }
        faults
    });
}

/// Relies on rustfmt: a function ends with the first brace that stands as far in as its beginning.
#[test]
fn functions_are_short() {
    const QUALIFIERS: [&str; 6] = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    expect_none("short functions", |source| {
        if source.ending() != "rs" {
            return Vec::new();
        }
        let lines: Vec<&str> = source.text.lines().collect();
        let mut faults = Vec::new();
        for (start, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let first = code.split(' ').find(|word| !QUALIFIERS.contains(word));
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[start..].iter().position(|line| *line == end).map_or(0, |last| last + 1);
            if first == Some("fn") && !code.ends_with([';', '}']) && length > MOST_LINES_OF_A_FUNCTION {
                faults.push(format!("{}:{} is a function of {length} lines", source.path, start + 1));
            }
        }
        faults
    });
}

#[test]
fn nothing_is_left_for_later() {
    let (undone, broken) = (["TO", "DO"].concat(), ["FIX", "ME"].concat());
    expect_none("work is done, or is an issue", |source| source.places(&[&undone, &broken]));
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    expect_none("relative links resolve", |source| {
        if source.ending() != "md" {
            return Vec::new();
        }
        let path = root().join(&source.path);
        let folder = path.parent().expect("a file stands in a folder");
        let targets = source.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let relative = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        let dead = relative.filter(|target| !folder.join(target).exists());
        dead.map(|target| format!("{}: {target}", source.path)).collect()
    });
}
