//! A seed and a place -> a random number, without any state: Philox 4x32-10.
//!
//! J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011). Ten rounds of multiplying, swapping and
//! adding a key turn a counter into four words that pass the usual tests of randomness; PyTorch uses the same on GPUs.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key grows by after each round: the golden ratio, and the square root of 3 less 1.
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// A number in [0, 1) with 53 random bits, the same for the same arguments on every machine.
pub fn uniform(seed: u64, place: u64) -> f64 {
    let [a, b, ..] = philox([place as u32, (place >> 32) as u32, 0, 0], [seed as u32, (seed >> 32) as u32]);
    let bits = (u64::from(a) << 32 | u64::from(b)) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [first, second] = [(0, 0), (1, 2)].map(|(m, c)| u64::from(MULTIPLIERS[m]) * u64::from(counter[c]));
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' own implementation.
    #[test]
    fn gives_the_known_answers() {
        let known = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in known {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn is_uniform_over_places_and_over_seeds() {
        for number in [|n| uniform(7, n), |n| uniform(n, 7)] {
            let mut tenths = [0; 10];
            for n in 0..100_000 {
                let number: f64 = number(n);
                assert!((0.0..1.0).contains(&number));
                tenths[(number * 10.0) as usize] += 1;
            }
            // 10,000 expected in each, with a standard deviation of 95.
            assert!(tenths.iter().all(|count| (9_600..10_400).contains(count)), "{tenths:?}");
        }
    }
}
