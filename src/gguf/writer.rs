//! Test support: metadata and tensors -> the bytes of a GGUF file.

use crate::format::{ENCODINGS, Encoding};
use crate::gguf::cursor::{ARRAY, TEXT};

/// A file in the making. Numbers may be put in wrong on purpose, to see what a reader makes of them.
pub(crate) struct Writer {
    pub version: u32,
    pub alignment: u64,
    /// What the file says, where it is not the truth.
    pub tensor_count: Option<u64>,
    entries: Vec<Vec<u8>>,
    tensors: Vec<Tensor>,
}

pub(crate) struct Tensor {
    pub name: String,
    /// Outermost first.
    pub shape: Vec<u64>,
    pub kind: u32,
    /// Where it begins behind the header; by itself behind the tensor before.
    pub offset: Option<u64>,
    pub data: Vec<u8>,
}

impl Writer {
    /// A file of an architecture, with nothing else in it.
    pub fn new(architecture: &str) -> Writer {
        Writer { version: 3, alignment: 32, tensor_count: None, entries: Vec::new(), tensors: Vec::new() }
            .text("general.architecture", architecture)
    }

    /// An entry of metadata from its type's number and the bytes of its value.
    pub fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Writer {
        self.entries.push([text(key), kind.to_le_bytes().to_vec(), value.to_vec()].concat());
        self
    }

    pub fn text(self, key: &str, value: &str) -> Writer {
        self.entry(key, TEXT, &text(value))
    }

    pub fn u32(self, key: &str, value: u32) -> Writer {
        self.entry(key, 4, &value.to_le_bytes())
    }

    pub fn f32(self, key: &str, value: f32) -> Writer {
        self.entry(key, 6, &value.to_le_bytes())
    }

    pub fn flag(self, key: &str, value: bool) -> Writer {
        self.entry(key, 7, &[value.into()])
    }

    pub fn array(self, key: &str, kind: u32, count: u64, values: &[u8]) -> Writer {
        let value = [&kind.to_le_bytes()[..], &count.to_le_bytes(), values].concat();
        self.entry(key, ARRAY, &value)
    }

    pub fn texts(self, key: &str, values: &[&str]) -> Writer {
        let bytes: Vec<u8> = values.iter().flat_map(|value| text(value)).collect();
        self.array(key, TEXT, values.len() as u64, &bytes)
    }

    pub fn tensor(self, name: &str, shape: &[u64], encoding: Encoding, data: Vec<u8>) -> Writer {
        let kind = ENCODINGS.iter().find(|info| info.encoding == encoding).expect("a supported encoding").gguf_type;
        self.raw_tensor(Tensor { name: name.into(), shape: shape.into(), kind, offset: None, data })
    }

    pub fn raw_tensor(mut self, tensor: Tensor) -> Writer {
        self.tensors.push(tensor);
        self
    }

    /// The whole file.
    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        bytes.extend(self.entries.concat());
        let mut data = Vec::new();
        for tensor in &self.tensors {
            bytes.extend(text(&tensor.name));
            bytes.extend((tensor.shape.len() as u32).to_le_bytes());
            bytes.extend(tensor.shape.iter().rev().flat_map(|size| size.to_le_bytes()));
            bytes.extend(tensor.kind.to_le_bytes());
            bytes.extend(tensor.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend_from_slice(&tensor.data);
            data.resize(data.len().next_multiple_of(self.alignment as usize), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(self.alignment as usize), 0);
        bytes.extend(data);
        bytes
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
