
// Words of the cache as numbers. Needs `cache`, `cells`, keys and values.
fn key_scale(head: u32, position: u32, word: u32) -> f32 {
    if CACHE_SCALES == 0u { return 1.0; }
    return unpack_scale(keys[key_cell(head, position, scale_cell(word))]);
}
fn key_word(head: u32, position: u32, word: u32) -> vec4<f32> {
    let raw = unpack_cache(keys[key_at(head, position, word)]);
    if CACHE_SCALES == 0u { return raw; }
    return raw * key_scale(head, position, word);
}
fn value_word(head: u32, position: u32, word: u32) -> vec4<f32> {
    let raw = unpack_cache(values[value_at(head, position, word)]);
    if CACHE_SCALES == 0u { return raw; }
    return raw * unpack_scale(values[value_cell(head, position, scale_cell(word))]);
}
