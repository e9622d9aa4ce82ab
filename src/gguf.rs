//! The first bytes of a GGUF file (versions 2 and 3), in chunks of any size -> manifest, vocabulary and chat template.

mod cursor;
#[cfg(test)]
mod tests;
mod vocabulary;
#[cfg(test)]
pub(crate) mod writer;

use crate::format::{Encoding, tensor_bytes};
use crate::manifest::{Manifest, Settings, Source, TensorEntry, check_entries};
use crate::{Error, Result};
use cursor::{ARRAY, Cursor, Read, Stop, least_bytes};
use serde_json::{Map, Value};
use vocabulary::Arrays;

pub use crate::tokenizer::Vocabulary;

/// The most that a header may take: the greatest vocabularies need a tenth of it.
pub const MOST_HEADER_BYTES: u64 = 256 << 20;

/// The most entries of metadata: real files have below a hundred.
const MOST_ENTRIES: u64 = 1 << 14;

/// The longest name of an entry, as the format has it.
const LONGEST_KEY: usize = 65_535;

/// An array of metadata longer than this that is no vocabulary is passed over.
const MOST_KEPT: u64 = 1024;

/// What a GGUF file says ahead of its weights.
#[derive(Debug, Clone)]
pub struct File {
    /// Architecture, settings (the architecture's prefix cut off their names) and tensors.
    pub manifest: Manifest,
    /// The tokenizer's data; without tokens where the file has none.
    pub vocabulary: Vocabulary,
    /// The Jinja template that turns messages into a prompt.
    pub chat_template: Option<String>,
    /// Bytes of the header: how many of those given to [`Head::push`] it took.
    pub header_bytes: u64,
    /// Where tensors begin: the header's end, aligned.
    pub data_offset: u64,
}

/// Reads a header as its bytes come. What has been read is let go of at once: of the header only a text or a number
/// that is not whole yet is held.
#[derive(Debug)]
pub struct Head {
    /// Bytes that have come and are not read.
    pending: Vec<u8>,
    /// Bytes that have been read.
    read: u64,
    /// What the header may take in all.
    limit: u64,
    stage: Stage,
    tensor_count: u64,
    values: Map<String, Value>,
    arrays: Arrays,
    /// Offsets count from the header's end until it is known.
    tensors: Vec<TensorEntry>,
}

/// What is read next.
#[derive(Debug)]
enum Stage {
    Preamble,
    Metadata {
        left: u64,
    },
    /// Inside an array of metadata.
    Array {
        key: String,
        kind: u32,
        left: u64,
        then: u64,
    },
    Tensors {
        left: u64,
    },
    Done,
}

impl Default for Head {
    fn default() -> Head {
        Head::new()
    }
}

impl Head {
    /// A header of which nothing is known.
    pub fn new() -> Head {
        Head {
            pending: Vec::new(),
            read: 0,
            limit: MOST_HEADER_BYTES,
            stage: Stage::Preamble,
            tensor_count: 0,
            values: Map::new(),
            arrays: Arrays::default(),
            tensors: Vec::new(),
        }
    }

    /// A header of a file of `length` bytes: what cannot fit in it is refused as soon as it is announced.
    pub fn with_length(length: u64) -> Head {
        Head { limit: length.min(MOST_HEADER_BYTES), ..Head::new() }
    }

    /// Takes the file's next bytes; the header, once it is whole. Bytes beyond its end are left alone: the weights
    /// begin among them, at [`File::data_offset`] of the file.
    ///
    /// # Errors
    /// Where the bytes are no GGUF file, or a damaged one, or one of a version that is not supported.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<File>> {
        // In slices: a caller may give a whole file at once, and only its head is to be copied.
        for slice in bytes.chunks(64 << 10) {
            self.pending.extend_from_slice(slice);
            let (step, taken) = self.read_on();
            self.pending.drain(..taken);
            self.read += taken as u64;
            match step {
                Ok(()) => return self.take_file().map(Some),
                Err(Stop::Bad(error)) => return Err(error.at(format!("GGUF header, byte {}", self.read))),
                Err(Stop::More) if self.read + self.pending.len() as u64 >= self.limit => {
                    return Err(Error::File(format!("the GGUF header goes on beyond {} bytes", self.limit)));
                }
                Err(Stop::More) => {}
            }
        }
        Ok(None)
    }

    /// The error for a file that ends before its header does.
    pub fn unfinished(&self) -> Error {
        let came = self.read + self.pending.len() as u64;
        Error::File(format!("the file ends after {came} bytes, inside its GGUF header: it is truncated"))
    }

    /// Reads what there is; how far it came counts even where it stopped.
    fn read_on(&mut self) -> (Read<()>, usize) {
        let pending = std::mem::take(&mut self.pending);
        let mut cursor = Cursor::new(&pending, self.limit - self.read);
        let mut whole = 0;
        let step = loop {
            if matches!(self.stage, Stage::Done) {
                break Ok(());
            }
            match self.read_item(&mut cursor) {
                Ok(()) => whole = cursor.at,
                Err(stop) => break Err(stop),
            }
        };
        self.pending = pending;
        (step, whole)
    }

    /// Reads one item of the stage at hand and moves to the next stage after the last.
    fn read_item(&mut self, cursor: &mut Cursor) -> Read<()> {
        match &mut self.stage {
            Stage::Preamble => self.stage = self.read_preamble(cursor)?,
            Stage::Metadata { left: 0 } => self.stage = Stage::Tensors { left: self.tensor_count },
            Stage::Metadata { left } => {
                let then = *left - 1;
                let key = cursor.text()?.to_string();
                if key.len() > LONGEST_KEY {
                    let length = key.len();
                    return Err(Error::File(format!("a key of {length} bytes, expected at most {LONGEST_KEY}")).into());
                }
                self.stage = self.read_entry(&key, cursor, then).map_err(|stop| stop.at(format!("metadata {key}")))?;
            }
            Stage::Array { left: 0, then, .. } => self.stage = Stage::Metadata { left: *then },
            Stage::Array { key, kind, left, .. } => {
                self.arrays.read(key, *kind, cursor).map_err(|stop| stop.at(format!("metadata {key}")))?;
                *left -= 1;
            }
            Stage::Tensors { left: 0 } => self.stage = Stage::Done,
            Stage::Tensors { left } => {
                let entry = read_tensor(cursor)?;
                *left -= 1;
                self.tensors.push(entry);
            }
            Stage::Done => {}
        }
        Ok(())
    }

    fn read_preamble(&mut self, cursor: &mut Cursor) -> Read<Stage> {
        let magic: [u8; 4] = cursor.array()?;
        if magic != *b"GGUF" {
            let found = magic.escape_ascii();
            return Err(Error::File(format!("no GGUF file: it begins with \"{found}\", expected \"GGUF\"")).into());
        }
        let version = cursor.u32()?;
        if version.swap_bytes() == 3 {
            return Err(Error::Unsupported("this GGUF is big-endian, only little-endian is supported".into()).into());
        }
        if !(2..=3).contains(&version) {
            return Err(Error::Unsupported(format!("GGUF version {version}; supported: 2, 3")).into());
        }
        self.tensor_count = cursor.u64()?;
        let entries = cursor.u64()?;
        // A tensor takes at least its name's length, one size, its type and its offset.
        if self.tensor_count > self.limit / 32 {
            return Err(Error::File(format!("{} tensors, more than the header can hold", self.tensor_count)).into());
        }
        if entries > MOST_ENTRIES {
            return Err(Error::File(format!("{entries} entries of metadata, expected at most {MOST_ENTRIES}")).into());
        }
        Ok(Stage::Metadata { left: entries })
    }

    /// Reads an entry's value, or no more than the head of an array.
    fn read_entry(&mut self, key: &str, cursor: &mut Cursor, then: u64) -> Read<Stage> {
        let kind = cursor.u32()?;
        if kind != ARRAY {
            insert_new(&mut self.values, key.to_string(), cursor.value(kind)?)?;
            return Ok(Stage::Metadata { left: then });
        }
        let (kind, count) = (cursor.u32()?, cursor.u64()?);
        let Some(least) = least_bytes(kind) else {
            let what = if kind == ARRAY { "arrays".to_string() } else { format!("the unknown type {kind}") };
            return Err(Error::Unsupported(format!("an array of {what}, which is not supported")).into());
        };
        if count > self.limit / least {
            return Err(Error::File(format!("an array of {count} values, more than the header can hold")).into());
        }
        self.arrays.begin(key, kind, count <= MOST_KEPT)?;
        Ok(Stage::Array { key: key.to_string(), kind, left: count, then })
    }

    fn take_file(&mut self) -> Result<File> {
        let mut values = std::mem::take(&mut self.values);
        let mut arrays = std::mem::take(&mut self.arrays);
        let alignment = match values.get("general.alignment") {
            None => 32,
            Some(value) => value.as_u64().filter(|alignment| alignment.is_power_of_two()).ok_or_else(|| {
                Error::File(format!("metadata general.alignment is {value}, expected a power of two"))
            })?,
        };
        let header_bytes = self.read;
        let data_offset = header_bytes
            .checked_next_multiple_of(alignment)
            .ok_or_else(|| Error::File(format!("metadata general.alignment is {alignment}, beyond any file")))?;
        let tensors = place(std::mem::take(&mut self.tensors), alignment, data_offset)?;
        refuse_splits(&values)?;
        let vocabulary = arrays.take_vocabulary(&values)?;
        let chat_template = match values.remove("tokenizer.chat_template") {
            None => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                return Err(Error::File(format!("metadata tokenizer.chat_template is {other}, expected text")));
            }
        };
        for (key, array) in arrays.into_rest() {
            insert_new(&mut values, key, array)?;
        }
        let architecture = match values.get("general.architecture") {
            Some(Value::String(name)) => name.clone(),
            other => {
                let found = other.map_or("missing".to_string(), Value::to_string);
                return Err(Error::File(format!("metadata general.architecture is {found}, expected text")));
            }
        };
        let settings = Settings { source: Source::Gguf, values: cut_prefix(&architecture, values)? };
        let manifest = Manifest { architecture, settings, tensors };
        Ok(File { manifest, vocabulary, chat_template, header_bytes, data_offset })
    }
}

impl Stop {
    fn at(self, place: String) -> Stop {
        match self {
            Stop::More => Stop::More,
            Stop::Bad(error) => Stop::Bad(error.at(place)),
        }
    }
}

fn read_tensor(cursor: &mut Cursor) -> Read<TensorEntry> {
    let name = cursor.text()?.to_string();
    let sizes = cursor.u32()?;
    if !(1..=4).contains(&sizes) {
        return Err(Error::File(format!("tensor {name} has {sizes} dimensions, expected 1 to 4")).into());
    }
    let mut shape = (0..sizes).map(|_| cursor.u64()).collect::<Read<Vec<u64>>>()?;
    // A GGUF counts from the contiguous size outwards.
    shape.reverse();
    let kind = cursor.u32()?;
    let offset = cursor.u64()?;
    if shape.contains(&0) {
        return Err(Error::File(format!("tensor {name} has sizes {shape:?}: it holds nothing")).into());
    }
    let Some((encoding, block, block_bytes)) = Encoding::from_gguf(kind) else {
        return Err(Error::Unsupported(format!("tensor {name} is of the unknown type {kind}")).into());
    };
    let bytes = tensor_bytes(&shape, block, block_bytes).map_err(|error| error.at(format!("tensor {name}")))?;
    Ok(TensorEntry { name, shape, encoding, file: 0, offset, bytes })
}

/// Tensors with their places in the file instead of those behind the header.
fn place(mut tensors: Vec<TensorEntry>, alignment: u64, data_offset: u64) -> Result<Vec<TensorEntry>> {
    for entry in &mut tensors {
        let (name, offset) = (&entry.name, entry.offset);
        if !offset.is_multiple_of(alignment) {
            return Err(Error::File(format!("tensor {name} begins at {offset}, no multiple of {alignment}")));
        }
        entry.offset = data_offset
            .checked_add(offset)
            .ok_or_else(|| Error::File(format!("tensor {name} begins at {offset}, beyond any file")))?;
    }
    check_entries(&tensors)?;
    Ok(tensors)
}

fn refuse_splits(values: &Map<String, Value>) -> Result<()> {
    match values.get("split.count").and_then(Value::as_u64) {
        Some(parts) if parts > 1 => Err(Error::Unsupported(format!(
            "this is one of the {parts} parts of a split GGUF, which is not supported; \
             join them into one file first (llama-gguf-split --merge)"
        ))),
        _ => Ok(()),
    }
}

/// `llama.embedding_length` becomes `embedding_length`; names of other areas stay whole.
fn cut_prefix(architecture: &str, values: Map<String, Value>) -> Result<Map<String, Value>> {
    let prefix = format!("{architecture}.");
    let mut cut = Map::new();
    for (key, value) in values {
        let key = key.strip_prefix(&prefix).map(str::to_string).unwrap_or(key);
        insert_new(&mut cut, key, value)?;
    }
    Ok(cut)
}

fn insert_new(values: &mut Map<String, Value>, key: String, value: Value) -> Result<()> {
    match values.get(&key) {
        None => {
            values.insert(key, value);
            Ok(())
        }
        Some(_) => Err(Error::File(format!("metadata {key} stands twice"))),
    }
}
