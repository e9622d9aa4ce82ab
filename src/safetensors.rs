//! The first bytes of a safetensors file, in chunks of any size -> its tensors; a folder's JSON -> manifest and shards.

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

use crate::format::Encoding;
use crate::manifest::{Manifest, Settings, Source, TensorEntry, check_entries};
use crate::{Error, Result};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most that a header may take: the bound of the format's own implementation.
pub const MOST_HEADER_BYTES: u64 = 100_000_000;

/// The format's types: name, encoding, bits of a value.
const TYPES: [(&str, Encoding, u64); 20] = [
    ("F32", Encoding::F32, 32),
    ("F16", Encoding::F16, 16),
    ("BF16", Encoding::BF16, 16),
    other("F64", 64),
    other("I64", 64),
    other("U64", 64),
    other("C64", 64),
    other("I32", 32),
    other("U32", 32),
    other("I16", 16),
    other("U16", 16),
    other("I8", 8),
    other("U8", 8),
    other("BOOL", 8),
    other("F8_E5M2", 8),
    other("F8_E4M3", 8),
    other("F8_E8M0", 8),
    other("F6_E2M3", 6),
    other("F6_E3M2", 6),
    other("F4", 4),
];

const fn other(name: &'static str, bits: u64) -> (&'static str, Encoding, u64) {
    (name, Encoding::Unsupported(name), bits)
}

/// Reads a header as its bytes come.
#[derive(Debug)]
pub struct Head {
    limit: u64,
    bytes: Vec<u8>,
}

impl Head {
    /// A header of which nothing is known.
    pub fn new() -> Head {
        Head { limit: MOST_HEADER_BYTES, bytes: Vec::new() }
    }

    /// A header of a file of `length` bytes: one that cannot fit in it is refused as soon as it is announced.
    pub fn with_length(length: u64) -> Head {
        Head { limit: length.saturating_sub(8).min(MOST_HEADER_BYTES), ..Head::new() }
    }

    /// Takes the file's next bytes; its tensors, in the order of their bytes, once the header is whole. Bytes beyond its
    /// end are left alone. Of shards, the caller numbers the tensors' files.
    ///
    /// # Errors
    /// Where the bytes are no safetensors file, or a damaged one.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Option<Vec<TensorEntry>>> {
        self.take(&mut bytes, 8);
        let Some(length) = self.bytes.first_chunk::<8>() else { return Ok(None) };
        let length = u64::from_le_bytes(*length);
        if length > self.limit || length < 2 {
            return Err(Error::File(format!(
                "no safetensors file: its header would have {length} bytes, expected 2 to {}",
                self.limit
            )));
        }
        // The limit is far below what a usize holds, and so is the length.
        let end = 8 + length as usize;
        self.take(&mut bytes, end);
        if self.bytes.len() < end {
            return Ok(None);
        }
        let Entries(entries) = serde_json::from_slice(&self.bytes[8..])
            .map_err(|error| Error::File(format!("the safetensors header is damaged: {error}")))?;
        place(entries, end as u64).map(Some)
    }

    /// The error for a file that ends before its header does.
    pub fn unfinished(&self) -> Error {
        let came = self.bytes.len();
        Error::File(format!("the file ends after {came} bytes, inside its safetensors header: it is truncated"))
    }

    /// Moves bytes into the header until it has `wanted`.
    fn take(&mut self, bytes: &mut &[u8], wanted: usize) {
        let (taken, rest) = bytes.split_at(bytes.len().min(wanted.saturating_sub(self.bytes.len())));
        self.bytes.extend_from_slice(taken);
        *bytes = rest;
    }
}

impl Default for Head {
    fn default() -> Head {
        Head::new()
    }
}

/// A tensor as the header has it. Its place counts from the header's end.
#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header's entries as they stand, the same name twice too: a map would drop one.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Entries as tensors of the file, in the order of their bytes, which must leave none out.
fn place(entries: Vec<(String, Entry)>, data_offset: u64) -> Result<Vec<TensorEntry>> {
    let entries = entries.into_iter().map(|(name, entry)| tensor(name, entry, data_offset));
    let mut tensors = entries.collect::<Result<Vec<_>>>()?;
    check_entries(&tensors)?;
    tensors.sort_by_key(|tensor| (tensor.offset, tensor.bytes));
    let mut end = data_offset;
    for tensor in &tensors {
        if tensor.offset != end {
            let (name, offset) = (&tensor.name, tensor.offset);
            return Err(Error::File(format!("bytes {end} to {offset}, ahead of tensor {name}, belong to no tensor")));
        }
        end = tensor.end();
    }
    Ok(tensors)
}

fn tensor(name: String, entry: Entry, data_offset: u64) -> Result<TensorEntry> {
    let fail = |what: String| Err(Error::File(format!("tensor {name} {what}")));
    let Some(&(_, encoding, bits)) = TYPES.iter().find(|(dtype, _, _)| *dtype == entry.dtype) else {
        return fail(format!("is of the unknown type {:?}", entry.dtype));
    };
    if entry.shape.len() > 8 {
        return fail(format!("has {} dimensions, expected at most 8", entry.shape.len()));
    }
    let (begin, end) = entry.data_offsets;
    let (Some(bytes), Some(offset)) = (end.checked_sub(begin), begin.checked_add(data_offset)) else {
        return fail(format!("is said to be at bytes {begin} to {end}, which is no place"));
    };
    let values = entry.shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
    let needed = values.and_then(|values| values.checked_mul(bits)).map(|bits| bits.div_ceil(8));
    if needed != Some(bytes) {
        let (shape, dtype) = (&entry.shape, &entry.dtype);
        return fail(format!("has {bytes} bytes, which is not what its sizes {shape:?} in {dtype} take"));
    }
    Ok(TensorEntry { name, shape: entry.shape, encoding, file: 0, offset, bytes })
}

/// The manifest of a Hugging Face folder, from `config.json` and the tensors that are known.
///
/// # Errors
/// Where `config.json` cannot be read, names no `model_type`, or says that the weights are quantised in a way of
/// their own.
pub fn manifest(config_json: &[u8], tensors: Vec<TensorEntry>) -> Result<Manifest> {
    let values: Map<String, Value> =
        serde_json::from_slice(config_json).map_err(|error| Error::File(format!("config.json: {error}")))?;
    let settings = Settings { source: Source::HuggingFace, values };
    if let Some(config) = settings.get(&["quantization_config"]) {
        let method = config.get("quant_method").and_then(Value::as_str).unwrap_or("an unnamed method");
        return Err(Error::Unsupported(format!(
            "config.json: weights quantised by {method} are not supported; supported: F32, F16 and BF16, or a GGUF"
        )));
    }
    let architecture = settings.text(&["model_type"]).map_err(|error| error.at("config.json"))?;
    let architecture = architecture.ok_or_else(|| Error::Model("config.json names no model_type".into()))?.to_string();
    Ok(Manifest { architecture, settings, tensors })
}

/// Which shard holds which tensor: `model.safetensors.index.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    shards: Vec<String>,
    tensors: BTreeMap<String, usize>,
}

impl Index {
    /// Reads the index.
    ///
    /// # Errors
    /// Where it is damaged, names no tensor, or names a shard that is no plain file name.
    pub fn parse(json: &[u8]) -> Result<Index> {
        #[derive(serde::Deserialize)]
        struct Raw {
            weight_map: BTreeMap<String, String>,
        }
        let fail = |what: String| Error::File(format!("model.safetensors.index.json: {what}"));
        let raw: Raw = serde_json::from_slice(json).map_err(|error| fail(error.to_string()))?;
        let names: BTreeSet<&String> = raw.weight_map.values().collect();
        if let Some(name) = names.iter().find(|name| !is_plain(name)) {
            return Err(fail(format!("{name:?} is no plain file name ending in .safetensors")));
        }
        let shards: Vec<String> = names.into_iter().cloned().collect();
        if shards.is_empty() {
            return Err(fail("its weight_map is empty".into()));
        }
        let number = |shard: String| shards.binary_search(&shard).unwrap_or_default();
        let tensors = raw.weight_map.into_iter().map(|(name, shard)| (name, number(shard))).collect();
        Ok(Index { shards, tensors })
    }

    /// Names of the shards, in the order in which they are numbered and loaded.
    pub fn shards(&self) -> &[String] {
        &self.shards
    }

    /// The number of the shard that holds a tensor.
    pub fn shard_of(&self, tensor: &str) -> Option<usize> {
        self.tensors.get(tensor).copied()
    }

    /// Every tensor's name and the number of its shard.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, usize)> {
        self.tensors.iter().map(|(name, shard)| (name.as_str(), *shard))
    }
}

/// Whether a shard's name is safe to look up beside the index: it leads to no other folder.
fn is_plain(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.')
}
