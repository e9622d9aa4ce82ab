//! A vocabulary -> the tokens that end a generation.

use super::Parts;

/// Special tokens that end a text or a turn in the models that have them. Many files name only one of theirs, and a chat
/// model often ends its turn with another.
const WELL_KNOWN: [&str; 14] = [
    "</s>",
    "<EOT>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<|END_OF_TURN_TOKEN|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|endoftext|>",
    "<|end|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|eot|>",
    "<|im_end|>",
    "<｜end▁of▁sentence｜>",
];

/// The vocabulary's own token for the end of a text, and those of the well-known ones that it has as added tokens (the
/// same letters as ordinary text end nothing). In rising order.
pub fn end_tokens(parts: &Parts) -> Vec<u32> {
    let added = parts.added.get_vocab();
    let well_known = WELL_KNOWN.iter().filter_map(|text| added.get(*text).copied());
    let mut ids: Vec<u32> = well_known.chain(parts.eos).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
