
// A value of a head and the one it is turned with: (a cos - b sin, a sin + b cos) for a pair (a, b).
struct Partner {
    d:      u32,  // the other's place in the head
    turn:   u32,  // the pair's place in a row of the table of cosines and sines
    second: bool, // whether the value is b of the pair
}

fn partner(d: u32, rotary: u32, adjacent: bool) -> Partner {
    if adjacent { return Partner(d ^ 1u, d / 2u, (d & 1u) == 1u); }
    let pairs = rotary / 2u;
    if d < pairs { return Partner(d + pairs, d, false); }
    return Partner(d - pairs, d - pairs, true);
}

fn turned(own: f32, other: f32, turn: vec2<f32>, second: bool) -> f32 {
    return own * turn.x + select(-other, other, second) * turn.y;
}
