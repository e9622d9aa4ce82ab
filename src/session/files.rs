//! The first bytes of a weight file of either type -> what its head says.

use crate::manifest::{TensorEntry, check_length};
use crate::{Error, Result, gguf, safetensors};

/// One weight file, as far as it has come.
pub(super) struct WeightFile {
    name: String,
    /// Its length, where the caller knows it.
    length: Option<u64>,
    /// Bytes that have come.
    seen: u64,
    head: Head,
}

enum Head {
    Gguf(Box<gguf::Head>),
    Safetensors(Box<safetensors::Head>),
    /// It has been read: what comes now are weights.
    Whole,
}

/// What a head says.
pub(super) enum Found {
    Gguf(Box<gguf::File>),
    Safetensors(Vec<TensorEntry>),
}

impl WeightFile {
    /// A file of which nothing has come. Safetensors bring no settings, so these must stand beside them; a GGUF file
    /// brings its own.
    pub(super) fn new(name: &str, length: Option<u64>, settings_beside: bool) -> Result<WeightFile> {
        let is_a = |ending: &str| name.to_lowercase().ends_with(ending);
        let head = match settings_beside {
            true if is_a(".gguf") => {
                let message =
                    "a GGUF file brings its own settings and tokenizer, but config.json or the like was given";
                return Err(Error::Option(message.into()));
            }
            true => Head::Safetensors(Box::default()),
            false if is_a(".safetensors") => {
                let message = "safetensors bring no settings: expected config.json and tokenizer.json before them";
                return Err(Error::Option(message.into()));
            }
            false => Head::Gguf(Box::default()),
        };
        Ok(WeightFile { name: name.to_string(), length, seen: 0, head })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that have come.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes the file's next bytes. Once, when they complete the head, it says what was found.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Found>> {
        self.seen += bytes.len() as u64;
        if let Some(length) = self.length
            && self.seen > length
        {
            return Err(Error::File(format!("more than its {length} bytes came: {}", self.seen)));
        }
        let found = match &mut self.head {
            Head::Gguf(head) => head.push(bytes)?.map(|file| Found::Gguf(Box::new(file))),
            Head::Safetensors(head) => head.push(bytes)?.map(Found::Safetensors),
            Head::Whole => None,
        };
        if let Some(found) = &found {
            self.head = Head::Whole;
            if let Some(length) = self.length {
                check_length(found.tensors(), 0, length)?;
            }
        }
        Ok(found)
    }

    /// No more bytes will come.
    pub(super) fn end(&self) -> Result<()> {
        match &self.head {
            Head::Gguf(head) => return Err(head.unfinished()),
            Head::Safetensors(head) => return Err(head.unfinished()),
            Head::Whole => {}
        }
        match self.length {
            Some(length) if length != self.seen => {
                Err(Error::File(format!("ends after {} of its {length} bytes", self.seen)))
            }
            _ => Ok(()),
        }
    }
}

impl Found {
    fn tensors(&self) -> &[TensorEntry] {
        match self {
            Found::Gguf(file) => &file.manifest.tensors,
            Found::Safetensors(entries) => entries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_what_was_given_beside_it_must_fit() {
        let error = WeightFile::new("model.safetensors", None, false).err().unwrap();
        assert!(error.to_string().contains("expected config.json"), "{error}");
        let error = WeightFile::new("model.GGUF", None, true).err().unwrap();
        assert!(error.to_string().contains("brings its own settings"), "{error}");
    }

    #[test]
    fn a_wrong_file_is_told_by_its_first_bytes_even_one_by_one() {
        let mut page = WeightFile::new("model", None, false).unwrap();
        let error = b"<!doctype html>".iter().find_map(|byte| page.push(&[*byte]).err()).unwrap();
        assert!(error.to_string().contains(r#""<!do""#), "{error}");
    }

    #[test]
    fn a_file_that_ends_early_or_late_is_refused() {
        let mut file = WeightFile::new("model.gguf", None, false).unwrap();
        file.push(b"GGUF").unwrap();
        assert!(file.end().unwrap_err().to_string().contains("4 bytes"));
        let error = WeightFile::new("model.gguf", Some(3), false).unwrap().push(b"GGUF").err().unwrap();
        assert_eq!(error.code(), "file-damaged");
    }
}
