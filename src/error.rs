//! What went wrong -> one error type, with a stable code for programs and a message for people.

/// An error of the core. Each variant is a stage; the message says what was given, what was expected and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file is damaged, truncated or not of the type that it seems.
    #[error("{0}")]
    File(String),
    /// A file is sound but holds what Oriel does not support: an architecture, a quantisation, a tokenizer.
    #[error("{0}")]
    Unsupported(String),
    /// The tensors or settings of a model do not fit its architecture: one is missing or has another shape.
    #[error("{0}")]
    Model(String),
    /// Text could not be turned into tokens, or a vocabulary is unusable.
    #[error("{0}")]
    Tokenizer(String),
    /// A chat template is missing, faulty or refused the messages.
    #[error("{0}")]
    Template(String),
    /// An option of the caller is out of range or unknown.
    #[error("{0}")]
    Option(String),
    /// The prompt does not fit the context.
    #[error("{0}")]
    Context(String),
    /// There is no usable GPU, or it refused a command.
    #[error("{0}")]
    Device(String),
    /// The GPU went away: a driver's reset, sleep, or the browser took it. Loading again can succeed.
    #[error("{0}")]
    Lost(String),
    /// The device has not enough memory for the model.
    #[error("{0}")]
    Memory(String),
    /// The operating system refused to read or write (native command only).
    #[error("{0}")]
    Io(String),
}

/// A result of the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The stable name of the stage, as `OrielError.code` in JavaScript shows it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::File(_) => "file-damaged",
            Error::Unsupported(_) => "unsupported",
            Error::Model(_) => "model-mismatch",
            Error::Tokenizer(_) => "tokenizer",
            Error::Template(_) => "template",
            Error::Option(_) => "option",
            Error::Context(_) => "context-full",
            Error::Device(_) => "device",
            Error::Lost(_) => "device-lost",
            Error::Memory(_) => "out-of-memory",
            Error::Io(_) => "io",
        }
    }

    /// The same error, its message led by where it happened: `"blk.3.attn_q.weight: ..."`.
    #[must_use]
    pub fn at(mut self, place: impl std::fmt::Display) -> Error {
        let message = self.message_mut();
        *message = format!("{place}: {message}");
        self
    }

    fn message_mut(&mut self) -> &mut String {
        match self {
            Error::File(m)
            | Error::Unsupported(m)
            | Error::Model(m)
            | Error::Tokenizer(m)
            | Error::Template(m)
            | Error::Option(m)
            | Error::Context(m)
            | Error::Device(m)
            | Error::Lost(m)
            | Error::Memory(m)
            | Error::Io(m) => m,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_leads_the_message_and_keeps_the_code() {
        let error = Error::Model("has shape [3], expected [4]".into()).at("blk.0.attn_norm.weight");
        assert_eq!(error.to_string(), "blk.0.attn_norm.weight: has shape [3], expected [4]");
        assert_eq!(error.code(), "model-mismatch");
    }
}
