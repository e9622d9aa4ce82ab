
// Positions of the cache are split among workgroups, whose results attention_merge.wgsl joins. The face gives both.
override SPLIT: u32 = 256u;
override MOST_SPLITS: u32 = 64u;

// Positions in a split: more than SPLIT where the splits would be too many.
fn split_length(positions: u32) -> u32 {
    let most = SPLIT * MOST_SPLITS;
    return SPLIT * ((positions + most - 1u) / most);
}
