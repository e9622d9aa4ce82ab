//! Times of the ways to do one thing, as they come -> which way is timed next, and which is taken. No clock and no device
//! are known here, so what is decided can be tested with times that are made up.

use super::{Kind, Subject};
use serde::Serialize;
use std::cmp::Reverse;

/// How often a way is timed. The least counts, as whatever else the machine does only adds to it.
const RUNS: usize = 3;

/// So many times the best's time, and a way is far behind: it is not timed again, nor for other shapes of its kind.
pub const FAR: f64 = 3.0;

/// The same once it was timed twice: it won't catch up.
const BEHIND: f64 = 1.25;

/// The share of the start's time that another way has to save.
const MARGIN: f64 = 0.05;

/// How far a value may be from the start's, by the root of the mean square of the start's: halves in shared memory and
/// activations of 8 bits, the coarsest that ways have, stay within half of it; a way that mixes up lanes or rows is off by
/// as much as there is.
const APART: f64 = 1.0 / 32.0;

/// Why a way is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// A load ended when it was tried, maybe by its user's hand: it is tried once more.
    Tried,
    /// Two did, or the device was lost by it.
    Lost,
    /// What came out was not what comes out by the start.
    Wrong,
}

impl Fault {
    /// As tunings name it.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Tried => "tried",
            Fault::Lost => "lost",
            Fault::Wrong => "wrong",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Fault> {
        [Fault::Tried, Fault::Lost, Fault::Wrong].into_iter().find(|fault| fault.name() == name)
    }
}

/// Whether what one way came to is what the start came to, as far as their arithmetic allows ([`APART`]). What is no finite
/// number by the start tells nothing; what is none by the other alone is wrong.
pub fn agree(start: &[f32], other: &[f32]) -> bool {
    let finite = || start.iter().zip(other).filter(|(a, _)| a.is_finite());
    let squares: f64 = finite().map(|(a, _)| f64::from(*a).powi(2)).sum();
    let most = APART * (squares / finite().count().max(1) as f64).sqrt();
    start.len() == other.len() && finite().all(|(a, b)| (f64::from(*a) - f64::from(*b)).abs() <= most)
}

/// What was measured of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// As tunings name the kind.
    pub kind: &'static str,
    /// As they name the shape.
    pub shape: String,
    /// What was taken before.
    pub start: &'static str,
    /// What is taken now.
    pub chosen: &'static str,
    /// The ways that there are here, and what a step takes by each.
    pub ways: Vec<Way>,
}

/// A way to do it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// As tunings name it.
    pub name: &'static str,
    /// Microseconds; none where it was not timed, because it could not be, was far behind for another shape, or time was up.
    pub us: Option<f64>,
    /// Why it is left out, here and at later loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// A race of ways, the first of which is the start.
pub struct Race {
    runners: Vec<Runner>,
    /// All run to the end, hopeless or not.
    thorough: bool,
}

#[derive(Clone)]
struct Runner {
    /// Its least time, in seconds.
    least: f64,
    runs: usize,
    out: bool,
    /// Whether its result was compared with the start's.
    proven: bool,
}

impl Runner {
    fn new(out: bool) -> Runner {
        Runner { least: f64::INFINITY, runs: 0, out, proven: false }
    }
}

impl Race {
    /// Of so many ways.
    pub fn new(ways: usize, thorough: bool) -> Race {
        Race { runners: vec![Runner::new(false); ways], thorough }
    }

    /// Which way is timed next: in turns, so that a busy moment of the machine does not fall on one alone.
    pub fn next(&self) -> Option<usize> {
        let left = || self.runners.iter().enumerate().filter(|(_, runner)| !runner.out);
        let decided = !self.thorough && left().count() == 1 && left().all(|(_, runner)| runner.runs > 0);
        let next = left().filter(|(_, runner)| runner.runs < RUNS).min_by_key(|(_, runner)| runner.runs);
        next.filter(|_| !decided).map(|(place, _)| place)
    }

    /// A way took so many seconds.
    pub fn took(&mut self, way: usize, seconds: f64) {
        let runner = &mut self.runners[way];
        runner.least = runner.least.min(seconds);
        runner.runs += 1;
        let best = self.best();
        for runner in &mut self.runners {
            let most = if runner.runs < 2 { FAR } else { BEHIND };
            runner.out |= !self.thorough && runner.runs > 0 && runner.least > most * best;
        }
    }

    /// A way can't be gone here.
    pub fn fails(&mut self, way: usize) {
        self.runners[way] = Runner::new(true);
    }

    /// The way that wins if its result proves to be the start's: another one may be asked for then. None where the start
    /// stays, where it is known already, and where the start can't be gone, so that there is nothing to compare with.
    pub fn to_prove(&self) -> Option<usize> {
        let winner = self.winner();
        let unproven = winner != 0 && !self.runners[winner].proven;
        (unproven && self.runners[0].least.is_finite()).then_some(winner)
    }

    /// A way's result was compared; one that is wrong can't be gone.
    pub fn proves(&mut self, way: usize, right: bool) {
        if !right {
            self.fails(way);
        }
        self.runners[way].proven = true;
    }

    /// Whether a way's result was found to be wrong.
    pub fn is_wrong(&self, way: usize) -> bool {
        self.runners[way].proven && self.runners[way].least.is_infinite()
    }

    /// The least time of all.
    pub fn best(&self) -> f64 {
        self.runners.iter().map(|runner| runner.least).fold(f64::INFINITY, f64::min)
    }

    /// The least time of a way, in seconds.
    pub fn least(&self, way: usize) -> Option<f64> {
        Some(self.runners[way].least).filter(|least| least.is_finite())
    }

    /// Whether a way lost by so much that other shapes need not ask.
    pub fn is_far_behind(&self, way: usize) -> bool {
        let least = self.runners[way].least;
        self.best().is_finite() && (least > FAR * self.best() || self.runners[way].out && least.is_infinite())
    }

    /// The way to take: the best, if it is clearly better than the start.
    pub fn winner(&self) -> usize {
        let start = self.runners[0].least;
        let best = self.runners.iter().enumerate().min_by(|(_, a), (_, b)| a.least.total_cmp(&b.least));
        match best {
            Some((best, runner)) if runner.least < (1.0 - MARGIN) * start => best,
            _ => 0,
        }
    }
}

/// Subjects in the order to measure them in: the smallest of each kind first, as what is far behind there is not tried over
/// larger ones.
pub fn order<T>(subjects: &mut [T], subject: impl Fn(&T) -> &Subject) {
    subjects.sort_by(|a, b| {
        let (a, b) = (subject(a), subject(b));
        (a.kind, a.size()).partial_cmp(&(b.kind, b.size())).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut seen: Vec<Kind> = Vec::new();
    subjects.sort_by_cached_key(|entry| {
        let kind = subject(entry).kind;
        seen.push(kind);
        seen.iter().filter(|other| **other == kind).count()
    });
}

/// What is taken for the measured subject of the same kind that is closest in format and size.
pub fn nearest<'a>(
    subject: &Subject,
    measured: impl Iterator<Item = (&'a Subject, &'static str)>,
) -> Option<&'static str> {
    let format = |subject: &Subject| subject.shape.split_once(' ').map(|(format, _)| format.to_string());
    let alike = measured.filter(|(other, _)| other.kind == subject.kind);
    let near = |(other, _): &(&Subject, &str)| {
        let apart = (subject.size().max(1.0) / other.size().max(1.0)).ln().abs();
        (Reverse(format(other) == format(subject)), apart)
    };
    alike.min_by(|a, b| near(a).partial_cmp(&near(b)).unwrap_or(std::cmp::Ordering::Equal)).map(|(_, name)| name)
}

impl Subject {
    /// The product of its sizes.
    fn size(&self) -> f64 {
        let sizes = self.shape.rsplit(' ').next().unwrap_or_default();
        sizes.split(['x', '/']).filter_map(|size| size.parse::<f64>().ok()).product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a race by made-up times, one for each run of a way; returns how often each ran.
    fn run(race: &mut Race, time: impl Fn(usize, usize) -> f64) -> Vec<usize> {
        let mut runs = vec![0; race.runners.len()];
        while let Some(way) = race.next() {
            race.took(way, time(way, runs[way]));
            runs[way] += 1;
            assert!(runs[way] <= RUNS);
        }
        runs
    }

    #[test]
    fn a_tie_keeps_the_start_and_a_clear_margin_does_not() {
        for (times, winner) in [([1.0, 0.97], 0), ([1.0, 1.0], 0), ([1.0, 0.94], 1), ([1.0, 1.1], 0)] {
            let mut race = Race::new(2, false);
            run(&mut race, |way, _| times[way]);
            assert_eq!(race.winner(), winner, "{times:?}");
        }
    }

    #[test]
    fn a_busy_moment_decides_nothing() {
        // Way 2 is the best; once it takes as long as nearly three of it, and so does every other way once.
        let mut race = Race::new(3, false);
        run(&mut race, |way, run| [1.0, 0.9, 0.8][way] * if run == way { 2.4 } else { 1.0 });
        assert_eq!(race.winner(), 2);
    }

    #[test]
    fn ways_far_behind_run_once_and_those_behind_twice() {
        let mut race = Race::new(4, false);
        assert_eq!(run(&mut race, |way, _| [1.0, 30.0, 1.5, 1.1][way]), [3, 1, 2, 3]);
        assert_eq!(race.winner(), 0);
        assert_eq!([0, 1, 2, 3].map(|way| race.is_far_behind(way)), [false, true, false, false]);
        assert_eq!(race.least(1), Some(30.0));
    }

    #[test]
    fn a_start_far_behind_gives_way_and_what_is_alone_needs_no_more_runs() {
        let mut race = Race::new(3, false);
        assert_eq!(run(&mut race, |way, _| [40.0, 1.0, 35.0][way]), [1, 1, 1]);
        assert_eq!(race.winner(), 1);
    }

    #[test]
    fn a_way_that_fails_is_not_taken_even_if_it_is_the_start() {
        let mut race = Race::new(3, false);
        race.fails(0);
        race.took(1, 2.0);
        race.fails(1);
        run(&mut race, |_, _| 1.0);
        assert_eq!((race.winner(), race.least(0), race.least(1)), (2, None, None));
        assert!(race.is_far_behind(0) && race.is_far_behind(1));

        let mut race = Race::new(2, false);
        race.fails(0);
        race.fails(1);
        assert_eq!((race.next(), race.winner()), (None, 0), "with none left the start stays");
    }

    #[test]
    fn no_way_wins_whose_result_is_wrong() {
        let mut race = Race::new(4, false);
        run(&mut race, |way, _| [1.0, 0.5, 0.6, 0.99][way]);
        let results = [[1.0f32, -2.0, 0.5], [1.0, 2.0, 0.5], [1.001, -2.001, 0.5], [9.0; 3]];
        let mut asked = Vec::new();
        while let Some(way) = race.to_prove() {
            asked.push(way);
            race.proves(way, agree(&results[0], &results[way]));
        }
        assert_eq!((asked, race.winner()), (vec![1, 2], 2), "one that does not win is not asked");
        assert!(race.is_far_behind(1) && race.least(1).is_none(), "nor is it tried for other shapes");
        assert_eq!([0, 1, 2, 3].map(|way| race.is_wrong(way)), [false, true, false, false]);

        let mut race = Race::new(2, false);
        run(&mut race, |way, _| [1.0, 0.5][way]);
        race.proves(1, false);
        assert_eq!((race.winner(), race.to_prove()), (0, None), "with none that is right the start stays");

        let mut race = Race::new(2, false);
        race.fails(0);
        run(&mut race, |_, _| 1.0);
        assert_eq!((race.winner(), race.to_prove()), (1, None), "there is nothing to compare with");
    }

    #[test]
    fn results_agree_within_the_bound() {
        let start: Vec<f32> = (0..1000).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let off = |by: f32| start.iter().map(|x| x + by).collect::<Vec<_>>();
        let halves: Vec<_> = start.iter().map(|x| half::f16::from_f32(*x).to_f32()).collect();
        assert!(agree(&start, &start) && agree(&start, &halves) && agree(&start, &off(0.01)));
        assert!(!agree(&start, &off(0.03)) && !agree(&start, &off(f32::NAN)) && !agree(&start, &start[1..]));
        let mut swapped = start.clone();
        swapped.swap(3, 4);
        assert!(!agree(&start, &swapped), "two lanes mixed up");
        assert!(agree(&[0.0; 4], &[0.0; 4]) && !agree(&[0.0; 4], &[0.0, 0.0, 1e-6, 0.0]));
        assert!(agree(&[f32::NAN, 1.0], &[3.0, 1.0]) && !agree(&[f32::INFINITY, 1.0], &[3.0, 2.0]));
    }

    #[test]
    fn a_thorough_race_times_all_to_the_end() {
        let mut race = Race::new(3, true);
        assert_eq!(run(&mut race, |way, _| [1.0, 30.0, 1.5][way]), [3, 3, 3]);
        assert_eq!(run(&mut Race::new(1, true), |_, _| 1.0), [3]);
        assert_eq!(run(&mut Race::new(1, false), |_, _| 1.0), [1]);
    }

    fn subject(kind: Kind, shape: &str) -> Subject {
        Subject { kind, shape: shape.into() }
    }

    #[test]
    fn the_smallest_of_every_kind_come_first() {
        let mut subjects = [
            subject(Kind::Matvec, "q8 49152x576"),
            subject(Kind::Attention, "9/3x64"),
            subject(Kind::Matmul, "q4 3072x576"),
            subject(Kind::Matvec, "q4 576x576"),
            subject(Kind::Matmul, "q4 576x1536"),
        ];
        order(&mut subjects, |subject| subject);
        let shapes: Vec<_> = subjects.iter().map(|subject| subject.shape.as_str()).collect();
        assert_eq!(shapes, ["q4 576x576", "q4 576x1536", "9/3x64", "q8 49152x576", "q4 3072x576"]);
    }

    #[test]
    fn what_was_not_measured_does_as_the_nearest_of_its_kind() {
        let measured = [
            (subject(Kind::Matvec, "q4 576x576"), "4"),
            (subject(Kind::Matvec, "q4 3072x576"), "8"),
            (subject(Kind::Matvec, "q8 49152x576"), "32"),
            (subject(Kind::Matmul, "q4 576x576"), "64x64"),
        ];
        let of = |kind, shape| {
            let measured = measured.iter().map(|(subject, name)| (subject, *name));
            nearest(&subject(kind, shape), measured)
        };
        assert_eq!(of(Kind::Matvec, "q4 600x576"), Some("4"));
        assert_eq!(of(Kind::Matvec, "q4 576x1536"), Some("8"));
        assert_eq!(of(Kind::Matvec, "q8 64x64"), Some("32"), "the format goes before the size");
        assert_eq!(of(Kind::Matvec, "f16 40000x576"), Some("32"));
        assert_eq!(of(Kind::Matmul, "q8 64x64"), Some("64x64"));
        assert_eq!(of(Kind::Attention, "9/3x64"), None);
    }
}
