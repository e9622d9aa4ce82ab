
// Where the cache keeps a word of a head. Keys stand by tiles of 64 positions, word by word, so that lanes with a position
// each read neighbours; values stand position by position, so that lanes with a word each do. Where the format has scales,
// one stands behind every eight words, like a ninth.
// Needs `cache`, and in `params` the words of a head and the capacity: positions that there is room for, whole tiles.
const TILE: u32 = 64u;
const BLOCK_WORDS: u32 = 8u; // that share a scale

fn cell(word: u32) -> u32 { return word + word / BLOCK_WORDS * CACHE_SCALES; }
fn scale_cell(word: u32) -> u32 { return cell(word / BLOCK_WORDS * BLOCK_WORDS) + BLOCK_WORDS; }

fn key_cell(head: u32, position: u32, cell_of_head: u32) -> u32 {
    let in_tile = position % TILE;
    return (head * params.capacity + position - in_tile) * cell(params.words) + cell_of_head * TILE + in_tile;
}
fn value_cell(head: u32, position: u32, cell_of_head: u32) -> u32 {
    return (head * params.capacity + position) * cell(params.words) + cell_of_head;
}

fn key_at(head: u32, position: u32, word: u32) -> u32 { return key_cell(head, position, cell(word)); }
fn value_at(head: u32, position: u32, word: u32) -> u32 { return value_cell(head, position, cell(word)); }
