
// Where the cache keeps a word of a head. Keys stand by tiles of 64 positions, word by word, so that lanes with a position
// each read neighbours; values stand position by position, so that lanes with a word each do.
const TILE: u32 = 64u;

fn key_at(head: u32, position: u32, word: u32, words: u32, context: u32) -> u32 {
    let tiles = (context + TILE - 1u) / TILE;
    return ((head * tiles + position / TILE) * words + word) * TILE + position % TILE;
}
fn value_at(head: u32, position: u32, word: u32, words: u32, context: u32) -> u32 {
    return (head * context + position) * words + word;
}
