//! What an adapter was measured to give, and a dispatch's work -> the least time that it could take there
//! (the roofline of Williams, Waterman and Patterson, 2009, doi 10.1145/1498765.1498785).

use super::Work;
use crate::format::Format;
use serde::Serialize;
use std::collections::BTreeMap;

/// What an adapter gives at best, by the [probes](super::probe).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probes {
    /// Bytes a second that a kernel reads from a buffer larger than most caches.
    pub read_bytes_per_s: f64,
    /// Multiply-adds of f32 a second, all operands in registers.
    pub f32_per_s: f64,
    /// By format, the same where one factor is a weight that has to be turned into a number first.
    pub weights_per_s: BTreeMap<&'static str, f64>,
    /// Multiply-adds of packed i8 a second; none where the device's compiler doesn't know them.
    pub packed_per_s: Option<f64>,
    /// Microseconds that each further dispatch of a pass costs.
    pub dispatch_us: f64,
    /// Microseconds that each further submit costs.
    pub submit_us: f64,
    /// Microseconds from the submission of a copy of 4 bytes to their arrival at the host.
    pub readback_us: f64,
}

/// What keeps a kernel from being faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// The bytes that have to be moved.
    Bandwidth,
    /// The multiply-adds, and the weights that have to be turned into numbers.
    Arithmetic,
    /// Being started.
    Dispatch,
}

impl Limit {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Bandwidth => "bandwidth",
            Limit::Arithmetic => "arithmetic",
            Limit::Dispatch => "dispatch",
        }
    }
}

/// The least time that a dispatch could take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// What that time is needed for.
    pub limit: Limit,
    /// In microseconds.
    pub us: f64,
}

impl Probes {
    /// The better of two measurements, one by one: what else the machine does only takes from what it gives.
    #[must_use]
    pub fn better_of(&self, other: &Probes) -> Probes {
        let rate = |format: &'static str| {
            let rates = [self, other].map(|probes| probes.weights_per_s.get(format).copied());
            rates.into_iter().flatten().fold(0.0, f64::max)
        };
        let formats = self.weights_per_s.keys().chain(other.weights_per_s.keys());
        Probes {
            read_bytes_per_s: self.read_bytes_per_s.max(other.read_bytes_per_s),
            f32_per_s: self.f32_per_s.max(other.f32_per_s),
            weights_per_s: formats.map(|format| (*format, rate(format))).collect(),
            packed_per_s: self.packed_per_s.into_iter().chain(other.packed_per_s).reduce(f64::max),
            dispatch_us: self.dispatch_us.min(other.dispatch_us),
            submit_us: self.submit_us.min(other.submit_us),
            readback_us: self.readback_us.min(other.readback_us),
        }
    }

    /// The tightest bound of a dispatch.
    pub fn bound(&self, work: &Work) -> Bound {
        let bounds = [
            Bound { limit: Limit::Bandwidth, us: work.bytes() as f64 / self.read_bytes_per_s * 1e6 },
            Bound { limit: Limit::Arithmetic, us: self.arithmetic_s(work) * 1e6 },
            Bound { limit: Limit::Dispatch, us: self.dispatch_us },
        ];
        let [first, rest @ ..] = bounds;
        rest.into_iter().fold(first, |tightest, bound| if bound.us > tightest.us { bound } else { tightest })
    }

    /// Multiply-adds, and once for each weight what a format's multiply-add takes longer than a plain one: with one row
    /// that is the rate of the format, with many the plain one.
    fn arithmetic_s(&self, work: &Work) -> f64 {
        if let (true, Some(rate)) = (work.packed, self.packed_per_s) {
            return work.operations as f64 / rate;
        }
        let decode_s = work.format.and_then(|format| self.weights_per_s.get(format));
        let decode_s = decode_s.map_or(0.0, |rate| (1.0 / rate - 1.0 / self.f32_per_s).max(0.0));
        work.operations as f64 / self.f32_per_s + work.weights as f64 * decode_s
    }
}

/// The formats whose arithmetic is measured: of f32 it is the plain one.
pub fn measured_formats() -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(|format| *format != Format::F32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBES: Probes = Probes {
        read_bytes_per_s: 1e9,
        f32_per_s: 1e9,
        weights_per_s: BTreeMap::new(),
        packed_per_s: Some(4e9),
        dispatch_us: 10.0,
        submit_us: 0.0,
        readback_us: 0.0,
    };

    fn work(bytes_read: u64, operations: u64, weights: u64) -> Work {
        Work {
            name: String::new(),
            kernel: "matvec",
            variant: String::new(),
            format: Some("q4"),
            shape: String::new(),
            bytes_read,
            bytes_written: 0,
            operations,
            weights,
            packed: false,
        }
    }

    #[test]
    fn the_tightest_bound_is_told() {
        let bound = |work: &Work| PROBES.bound(work);
        assert_eq!(bound(&work(50_000, 20_000, 0)), Bound { limit: Limit::Bandwidth, us: 50.0 });
        assert_eq!(bound(&work(50_000, 80_000, 0)), Bound { limit: Limit::Arithmetic, us: 80.0 });
        assert_eq!(bound(&work(40, 80, 0)), Bound { limit: Limit::Dispatch, us: 10.0 });
        let packed = Work { packed: true, ..work(0, 80_000, 80_000) };
        assert_eq!(bound(&packed), Bound { limit: Limit::Arithmetic, us: 20.0 });
    }

    #[test]
    fn of_two_measurements_the_better_counts_one_by_one() {
        let busy = Probes { weights_per_s: BTreeMap::from([("q4", 2e8)]), f32_per_s: 5e8, ..PROBES };
        let other = Probes {
            weights_per_s: BTreeMap::from([("q4", 1e8), ("q8", 3e8)]),
            packed_per_s: None,
            dispatch_us: 7.0,
            ..PROBES
        };
        let weights_per_s = BTreeMap::from([("q4", 2e8), ("q8", 3e8)]);
        assert_eq!(busy.better_of(&other), Probes { weights_per_s, dispatch_us: 7.0, ..PROBES });
    }

    #[test]
    fn a_weight_is_turned_into_a_number_once_whatever_the_rows() {
        let probes = Probes { weights_per_s: BTreeMap::from([("q4", 0.25e9)]), ..PROBES };
        let us = |rows: u64| (probes.bound(&work(0, rows * 1_000_000, 1_000_000)).us).round();
        assert_eq!(us(1), 4000.0, "one row goes at the rate of the format");
        assert_eq!(us(8), 11_000.0, "eight rows: eight times the plain 1000, and 3000 for the weights");
    }
}
