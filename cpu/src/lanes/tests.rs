//! Every set of instructions against the portable one, and the portable one against what the standard library computes.

use super::{LANES, Lanes, Portable};
use proptest::prelude::*;

/// What a set of instructions makes of the same bytes and numbers, function by function.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    /// Bit for bit the same everywhere.
    exact: Vec<[f32; LANES]>,
    /// Within rounding.
    near: Vec<[f32; LANES]>,
    halves: [u16; LANES],
    ints: [i8; LANES],
    sum: f32,
    greatest: f32,
}

#[derive(Debug, Clone)]
struct Given {
    bytes: [u8; 4 * LANES],
    quad: [i8; 4],
    halves: [u16; LANES],
    a: [f32; LANES],
    b: [f32; LANES],
}

#[inline(always)]
unsafe fn outcome<L: Lanes>(given: &Given) -> Outcome {
    let Given { bytes, quad, halves, a, b } = given;
    let (bytes, quad) = (L::bytes(bytes.as_ptr()), L::quad(quad.as_ptr()));
    let (low, high) = (L::low(bytes), L::high(bytes));
    let dots = L::dot(L::dot(L::no_ints(), low, quad), high, quad);
    let (a, b) = (L::floats(a.as_ptr()), L::floats(b.as_ptr()));
    let whole = L::nearest(a);
    let mut outcome = Outcome {
        exact: vec![
            L::array(L::byte::<0>(low)),
            L::array(L::byte::<1>(high)),
            L::array(L::byte::<2>(bytes)),
            L::array(L::byte::<3>(bytes)),
            L::array(L::of_ints(dots)),
            L::array(L::halves(halves.as_ptr())),
            L::array(L::signed(given.bytes.as_ptr().cast())),
            L::array(L::splat(1.5)),
            L::array(L::add(a, b)),
            L::array(L::sub(a, b)),
            L::array(L::mul(a, b)),
            L::array(L::div(a, L::add(L::mul(b, b), L::splat(0.5)))),
            L::array(L::max(a, b)),
            L::array(L::min(a, b)),
            L::array(whole),
            L::array(L::power_of_two(whole)),
        ],
        near: vec![L::array(L::mul_add(a, b, a)), L::array(L::exp(a))],
        halves: [0; LANES],
        ints: [0; LANES],
        sum: L::sum(a),
        greatest: L::greatest(a),
    };
    L::store_halves(outcome.halves.as_mut_ptr(), a);
    L::store_ints(outcome.ints.as_mut_ptr(), whole);
    outcome
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn on_avx2(given: &Given) -> Outcome {
    outcome::<super::Avx2<false>>(given)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
unsafe fn on_avx2_vnni(given: &Given) -> Outcome {
    outcome::<super::Avx2<true>>(given)
}

/// What every set that this processor has makes of it.
fn others(given: &Given) -> Vec<(&'static str, Outcome)> {
    let mut all = Vec::new();
    for name in crate::native::instructions() {
        // SAFETY: the processor has the instructions of that name.
        unsafe {
            match name {
                #[cfg(target_arch = "x86_64")]
                "avx2" => all.push((name, on_avx2(given))),
                #[cfg(target_arch = "x86_64")]
                "avx2 vnni" => all.push((name, on_avx2_vnni(given))),
                #[cfg(target_arch = "aarch64")]
                "neon" => all.push((name, outcome::<super::Neon>(given))),
                _ => {}
            }
        }
    }
    all
}

/// The same numbers as f16, by every set.
fn halves_of(values: &[f32; LANES]) -> Vec<(&'static str, [u16; LANES])> {
    let plain = Given { bytes: [0; 4 * LANES], quad: [0; 4], halves: [0; LANES], a: *values, b: [0.0; LANES] };
    others(&plain).into_iter().map(|(name, outcome)| (name, outcome.halves)).collect()
}

fn given() -> impl Strategy<Value = Given> {
    let float = prop_oneof![-80.0f32..80.0, -1.0f32..1.0, -1e-3f32..1e-3];
    // Without infinities, which no weight has.
    let half = (0u16..0x7c00, any::<bool>()).prop_map(|(bits, negative)| bits | u16::from(negative) << 15);
    let floats = || prop::array::uniform8(float.clone());
    let given = (prop::array::uniform32(any::<u8>()), prop::array::uniform4(-127i8..=127), prop::array::uniform8(half));
    (given, floats(), floats()).prop_map(|((bytes, quad, halves), a, b)| Given { bytes, quad, halves, a, b })
}

fn is_near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 4e-7 * a.abs().max(1e-30)
}

proptest! {
    #[test]
    fn every_set_computes_the_same(given in given()) {
        // SAFETY: portable code asks nothing of the processor.
        let expected = unsafe { outcome::<Portable>(&given) };
        for (name, actual) in others(&given) {
            for (place, (a, b)) in actual.exact.iter().zip(&expected.exact).enumerate() {
                prop_assert_eq!(a, b, "{}: function {}", name, place);
            }
            prop_assert_eq!((actual.halves, actual.ints), (expected.halves, expected.ints), "{}", name);
            prop_assert_eq!((actual.sum, actual.greatest), (expected.sum, expected.greatest), "{}", name);
            // One rounding less may show where a product and a sum cancel.
            for i in 0..LANES {
                let scale = (given.a[i] * given.b[i]).abs().max(given.a[i].abs());
                prop_assert!((actual.near[0][i] - expected.near[0][i]).abs() <= 4e-7 * scale, "{}", name);
                prop_assert!(is_near(actual.near[1][i], expected.near[1][i]), "{}", name);
            }
        }
    }

    #[test]
    fn halves_are_finite(given in given(), factor in 1.0f32..1e30) {
        let large = given.a.map(|a| a * factor);
        let expected = large.map(super::half_bits::from_f32);
        prop_assert!(expected.iter().all(|bits| bits & 0x7c00 != 0x7c00), "{:?}", expected);
        for (name, halves) in halves_of(&large) {
            prop_assert_eq!(halves, expected, "{}", name);
        }
    }

    #[test]
    fn exponentials_are_right(given in given()) {
        // SAFETY: as above.
        let [_, exp] = unsafe { outcome::<Portable>(&given) }.near.try_into().unwrap_or_default();
        for (x, y) in given.a.into_iter().zip(exp) {
            prop_assert!(is_near(x.exp(), y), "exp({}) = {}, not {}", x, x.exp(), y);
        }
    }
}
