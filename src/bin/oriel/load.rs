//! A path -> a model on the device, or only the heads of its files.

use crate::{arguments, output, tuning};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use oriel::session::{Heads, Model, SIDE_FILES};
use oriel::{Error, Result};
use pollster::block_on;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Chunks after which the device is given time to take them.
const CHUNKS_BEFORE_SETTLING: usize = 16;

const EXPECTED: &str = "expected a .gguf file, or a folder with config.json, *.safetensors and tokenizer.json";

/// Loads the model that the arguments name, with progress where someone watches.
pub fn model(arguments: &arguments::Model) -> Result<Model> {
    let files = Files::find(&arguments.model)?;
    let mut loading = tuning::open(arguments.options(), &arguments.tuning)?;
    tuning::begin(&mut loading, &arguments.tuning)?;
    files.each_side_file(|name, bytes| loading.side_file(name, bytes))?;
    let weights = files.weights(&loading.wanted())?;
    let total = weights.iter().map(|path| length(path)).sum::<Result<u64>>()?;
    let progress = progress(total);
    for path in &weights {
        let name = path.display().to_string();
        loading.begin(&name, Some(length(path)?))?;
        let mut chunks = 0;
        each_chunk(path, |bytes| {
            loading.push(bytes)?;
            progress.inc(bytes.len() as u64);
            chunks += 1;
            if chunks % CHUNKS_BEFORE_SETTLING == 0 {
                block_on(loading.settle())?;
            }
            Ok(true)
        })?;
        loading.end()?;
    }
    progress.set_message("preparing");
    let keep = tuning::keeps(&loading.adapter(), &arguments.tuning);
    let model = block_on(loading.finish_keeping(&keep))?;
    drop(progress);
    tuning::keep(&model, &arguments.tuning);
    if let Some(notice) = model.info().notice {
        output::note(&format!("note: {notice}"));
    }
    Ok(model)
}

/// Reads the heads of the files of the model that the arguments name; with `weights`, those of weight files too.
pub fn heads(arguments: &arguments::Model, weights: bool) -> Result<Heads> {
    let files = Files::find(&arguments.model)?;
    let mut heads = Heads::default();
    files.each_side_file(|name, bytes| heads.side_file(name, bytes))?;
    if matches!(files, Files::Folder(_)) && !weights {
        return Ok(heads);
    }
    for path in files.weights(&heads.wanted())? {
        heads.begin(&path.display().to_string(), Some(length(&path)?))?;
        let mut whole = false;
        each_chunk(&path, |bytes| {
            whole = heads.push(bytes)?;
            Ok(!whole)
        })?;
        if !whole {
            heads.end()?;
        }
    }
    Ok(heads)
}

/// Where a model's bytes stand.
enum Files {
    Gguf(PathBuf),
    Folder(PathBuf),
}

impl Files {
    fn find(path: &Path) -> Result<Files> {
        let about =
            fs::metadata(path).map_err(|error| Error::Io(format!("{}: {error}; {EXPECTED}", path.display())))?;
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let message = format!("{}: is only a part of a model; {EXPECTED}", path.display());
            return Err(Error::File(message));
        }
        if !about.is_dir() {
            return Ok(Files::Gguf(path.to_path_buf()));
        }
        if !path.join("config.json").exists() {
            return Err(Error::File(format!("{}: holds no config.json; {EXPECTED}", path.display())));
        }
        Ok(Files::Folder(path.to_path_buf()))
    }

    /// Hands over each file that stands beside the weights.
    fn each_side_file(&self, mut take: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
        let Files::Folder(folder) = self else { return Ok(()) };
        for name in SIDE_FILES {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => take(&path.display().to_string(), &bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(io(&path, &error)),
            }
        }
        Ok(())
    }

    /// The weight files, in order. `wanted` names them, but a single one may be called otherwise.
    fn weights(&self, wanted: &[String]) -> Result<Vec<PathBuf>> {
        let folder = match self {
            Files::Gguf(path) => return Ok(vec![path.clone()]),
            Files::Folder(folder) => folder,
        };
        let paths: Vec<PathBuf> = wanted.iter().map(|name| folder.join(name)).collect();
        match paths.as_slice() {
            [single] if !single.exists() => Ok(vec![only_safetensors(folder)?]),
            _ => Ok(paths),
        }
    }
}

/// The one file of safetensors in a folder without an index.
fn only_safetensors(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).map_err(|error| io(folder, &error))?;
    let is_weights = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "safetensors");
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_weights).collect();
    match (found.len(), found.pop()) {
        (1, Some(path)) => Ok(path),
        (0, _) => Err(Error::File(format!("{}: holds no *.safetensors file; {EXPECTED}", folder.display()))),
        (count, _) => Err(Error::File(format!(
            "{}: holds {count} *.safetensors files; expected model.safetensors.index.json to name their order",
            folder.display()
        ))),
    }
}

fn length(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).map_err(|error| io(path, &error))?.len())
}

/// Hands over a file in chunks, until its end or until `take` returns false.
fn each_chunk(path: &Path, mut take: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
    let mut file = File::open(path).map_err(|error| io(path, &error))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) if take(&chunk[..count])? => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(io(path, &error)),
        }
    }
}

/// An error of the operating system at a file.
pub fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Io(format!("{}: {error}", path.display()))
}

/// A bar on standard error, where that is a terminal.
fn progress(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}");
    let bar = ProgressBar::new(total).with_message("loading").with_finish(ProgressFinish::AndClear);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
