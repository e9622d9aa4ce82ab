
// Where the cache keeps a word of a head. Keys stand by tiles of 64 positions, word by word, so that lanes with a position
// each read neighbours; values stand position by position, so that lanes with a word each do.
// Needs in `params` the words of a head and the capacity: positions that there is room for, whole tiles.
const TILE: u32 = 64u;

fn key_at(head: u32, position: u32, word: u32) -> u32 {
    let in_tile = position % TILE;
    return (head * params.capacity + position - in_tile) * params.words + word * TILE + in_tile;
}
fn value_at(head: u32, position: u32, word: u32) -> u32 {
    return (head * params.capacity + position) * params.words + word;
}
