
// How a block of 32 activations stands as whole numbers: for each plane two words of 16 bytes, the high bytes first; then
// the scale, and the sum of what the numbers stand for.
override PLANES: u32 = 2u;              // bytes of a number
override WORDS: u32 = 2u * PLANES + 1u; // of 16 bytes, for a block
override GREATEST: f32 = select(127.0, 32639.0, PLANES == 2u);
