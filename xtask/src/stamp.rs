//! From inputs to "nothing changed": a stamp remembers the digest of what a step was last done for.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// SHA-256 over named pieces, in order; the name and the length go in, so that pieces can't run into each other.
#[derive(Default)]
pub struct Inputs(Sha256);

impl Inputs {
    /// Adds a piece that is at hand.
    pub fn add(mut self, name: &str, bytes: &[u8]) -> Self {
        self.0.update(format!("{name}\0{}\0", bytes.len()));
        self.0.update(bytes);
        self
    }

    /// Adds a file.
    pub fn file(self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(self.add(&path.to_string_lossy(), &bytes))
    }

    /// Adds every file under a folder, but for those under a folder of one of the names in `without`.
    pub fn tree(mut self, folder: &Path, without: &[&str]) -> Result<Self> {
        for path in files_under(folder, without)? {
            self = self.file(&path)?;
        }
        Ok(self)
    }

    /// The digest, in hexadecimal.
    pub fn digest(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

/// SHA-256 of a file of any size, in hexadecimal.
pub fn file_digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hexadecimal(&digest.finalize())),
            length => digest.update(&block[..length]),
        }
    }
}

/// Whether the step `name` was last done for inputs with this digest.
pub fn is_fresh(name: &str, digest: &str) -> bool {
    fs::read_to_string(stamp(name)).is_ok_and(|last| last == digest)
}

/// Remembers that the step `name` has been done for inputs with this digest.
pub fn record(name: &str, digest: &str) -> Result<()> {
    fs::create_dir_all(crate::paths::scratch())?;
    fs::write(stamp(name), digest).with_context(|| format!("writing the stamp of {name}"))
}

/// Every file under a folder, sorted, but for those under a folder of one of the names in `without`.
pub fn files_under(folder: &Path, without: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                files.push(entry.path());
            } else if !without.iter().any(|name| entry.file_name() == *name) {
                folders.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn stamp(name: &str) -> PathBuf {
    crate::paths::scratch().join(format!("{name}.stamp"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
