//! A model's files, one after another -> the heads of its weight files, in order, each error led by the file's name.

use super::files::{Found, WeightFile};
use super::side::{SideFiles, base_name};
use crate::{Error, Result};

/// The files of one model as they come: first those beside the weights, if there are any, then each weight file.
#[derive(Default)]
pub(super) struct Incoming {
    pub(super) side: SideFiles,
    current: Option<WeightFile>,
    /// Names of the weight files that have begun.
    begun: Vec<String>,
}

impl Incoming {
    /// A whole file from beside the weights.
    pub(super) fn side_file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if !self.begun.is_empty() {
            return Err(Error::Option(format!("{name}: the files beside the weights come before them")));
        }
        self.side.add(name, bytes)
    }

    /// The weight files that are to come, in order; none for a GGUF file, which may have any name.
    pub(super) fn wanted(&self) -> Vec<String> {
        if self.side.given() { self.side.weight_files() } else { Vec::new() }
    }

    /// The next weight file begins; `length` is in bytes, where it is known.
    pub(super) fn begin(&mut self, name: &str, length: Option<u64>) -> Result<()> {
        if let Some(current) = &self.current {
            return Err(Error::Option(format!("{name} begins before {} has ended", current.name())));
        }
        match self.wanted().as_slice() {
            [] | [_] if self.begun.is_empty() => {}
            wanted => match wanted.get(self.begun.len()) {
                Some(expected) if base_name(expected) == base_name(name) => {}
                Some(expected) => {
                    return Err(Error::File(format!("{name}: the index calls for {expected} next")));
                }
                None => return Err(Error::File(format!("{name}: every file of this model has come already"))),
            },
        }
        let file = WeightFile::new(name, length, self.side.given()).map_err(|error| error.at(name))?;
        self.begun.push(name.to_string());
        self.current = Some(file);
        Ok(())
    }

    /// The place of the file that came last among the weight files.
    pub(super) fn file(&self) -> usize {
        self.begun.len().saturating_sub(1)
    }

    /// Whether no weight file follows the one that has begun.
    pub(super) fn is_last(&self) -> bool {
        self.wanted().len() <= self.begun.len()
    }

    /// Bytes that have come of the file that has begun.
    pub(super) fn seen(&self) -> u64 {
        self.current.as_ref().map_or(0, WeightFile::seen)
    }

    /// The error, led by the name of the file that came last.
    pub(super) fn at_file(&self, error: Error) -> Error {
        match self.begun.last() {
            Some(name) => error.at(name),
            None => error,
        }
    }

    /// The next bytes of the file that has begun; what its head says, once it is whole.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Found>> {
        let file = self.current.as_mut().ok_or_else(|| Error::Option("bytes came before a file began".into()))?;
        file.push(bytes).map_err(|error| error.at(file.name()))
    }

    /// The file that has begun ends here.
    pub(super) fn end(&mut self) -> Result<()> {
        let file = self.current.take().ok_or_else(|| Error::Option("a file ends before it began".into()))?;
        file.end().map_err(|error| error.at(file.name()))
    }

    /// The file that has begun is of no more interest: its head was all.
    pub(super) fn abandon(&mut self) {
        self.current = None;
    }

    /// Every file has come.
    pub(super) fn finish(&self) -> Result<()> {
        if let Some(current) = &self.current {
            return Err(Error::Option(format!("{} has not ended", current.name())));
        }
        let wanted = self.wanted();
        match wanted.get(self.begun.len()) {
            Some(next) => Err(Error::File(format!("{next} is missing: expected {} weight files", wanted.len()))),
            None if self.begun.is_empty() => Err(Error::File("no weight file came".into())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharded() -> Incoming {
        let mut incoming = Incoming::default();
        let index = br#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
        incoming.side_file("model.safetensors.index.json", index).unwrap();
        incoming
    }

    #[test]
    fn shards_come_in_the_order_of_the_index() {
        let mut incoming = sharded();
        assert_eq!(incoming.wanted(), ["model-1.safetensors", "model-2.safetensors"]);
        let error = incoming.begin("x/model-2.safetensors", None).unwrap_err();
        assert_eq!(error.to_string(), "x/model-2.safetensors: the index calls for model-1.safetensors next");
        assert!(incoming.finish().unwrap_err().to_string().starts_with("model-1.safetensors is missing"));
        incoming.begin("x/model-1.safetensors", None).unwrap();
        assert_eq!(incoming.begin("x/model-2.safetensors", None).unwrap_err().code(), "option");
    }

    #[test]
    fn misuse_is_an_error_and_no_panic() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.push(b"GGUF").err().unwrap().code(), "option");
        assert_eq!(incoming.end().unwrap_err().code(), "option");
        assert_eq!(incoming.finish().unwrap_err().to_string(), "no weight file came");
        incoming.begin("model.gguf", None).unwrap();
        assert!(incoming.side_file("config.json", b"{}").is_err());
    }
}
