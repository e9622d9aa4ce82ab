//! A GGUF file's `tokenizer.ggml.*` metadata -> the vocabulary as it stands there, before anything is made of it.

/// What a GGUF file says of its tokenizer. The arrays are as long as the file says; nothing is checked here:
/// `Tokenizer::from_gguf` does that.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vocabulary {
    /// `tokenizer.ggml.model`: the kind of tokenizer, `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// `tokenizer.ggml.pre`: how a byte-level tokenizer cuts text into words.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`: the text of each token, by id.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.scores`: by id, empty when left out; SentencePiece merges the pair with the highest first.
    pub scores: Vec<f32>,
    /// `tokenizer.ggml.token_type`: by id, empty when left out; see [`Kind`].
    pub kinds: Vec<i32>,
    /// `tokenizer.ggml.merges`: pairs of token texts with a space between, the first merged first.
    pub merges: Vec<String>,
    /// `tokenizer.ggml.bos_token_id`: begins a text.
    pub bos: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`: ends a text.
    pub eos: Option<u32>,
    /// `tokenizer.ggml.eot_token_id`: ends a turn of a chat.
    pub eot: Option<u32>,
    /// `tokenizer.ggml.eom_token_id`: ends a message that calls a tool.
    pub eom: Option<u32>,
    /// `tokenizer.ggml.unknown_token_id`: stands for what the vocabulary cannot spell.
    pub unk: Option<u32>,
    /// `tokenizer.ggml.padding_token_id`.
    pub pad: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`: whether a text begins with `bos`; left out, the kind of tokenizer decides.
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`: whether a text ends with `eos`.
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`: whether a space is put before a text.
    pub add_space_prefix: Option<bool>,
}

/// What a token is for, by its number in `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1: ordinary text.
    Normal,
    /// 2: stands for what the vocabulary cannot spell.
    Unknown,
    /// 3: steers the model and is not shown: the beginning of a text, the end of a turn.
    Control,
    /// 4: ordinary text that is always one token.
    UserDefined,
    /// 5: in the vocabulary to fill it up.
    Unused,
    /// 6: one byte, written `<0x0A>`.
    Byte,
}

impl Kind {
    /// The kind with this number, if there is one.
    pub fn from_number(number: i32) -> Option<Kind> {
        Some(match number {
            1 => Kind::Normal,
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => return None,
        })
    }
}
