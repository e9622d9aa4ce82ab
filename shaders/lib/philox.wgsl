
// Philox 4x32-10 (Salmon et al. 2011): the first word for a counter and a key. Needs `wide`.
fn philox(counter: u32, key: vec2<u32>) -> u32 {
    var c = vec4<u32>(counter, 0u, 0u, 0u);
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let first = multiply_wide(0xd2511f53u, c.x);
        let second = multiply_wide(0xcd9e8d57u, c.z);
        c = vec4<u32>(second.y ^ c.y ^ k.x, second.x, first.y ^ c.w ^ k.y, first.x);
        k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return c.x;
}
