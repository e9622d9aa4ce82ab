//! Text -> token ids, and token ids -> text, whole or as a stream.

mod vocabulary;

pub use vocabulary::{Kind, Vocabulary};
