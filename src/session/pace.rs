//! How fast results come -> how many tokens the next submit chooses, and how many submits are on their way.
//!
//! A token is fed to the next on the device, so the host only has to keep the device busy and read what comes. One token a
//! submit streams smoothest, and is right wherever a token takes the device longer than a third of the way of a result to
//! the host. Where results take long (100 ms in some browsers), or submits cost much beside a short token, more tokens a
//! submit give more tokens a second. The host can't tell the one from the other by waiting, so it tries.

use crate::executor::{DEPTH, MOST_TOKENS};
use web_time::Duration;

/// What is tried is kept where it gives so many times the tokens a second.
const GAIN: f64 = 1.1;

/// Results that are timed together; as many as are on their way, so that what comes several at a time is seen as a whole.
const WINDOW: u32 = DEPTH as u32;

/// Windows from a try that was of no use to the next.
const REST: u32 = 16;

/// A token that takes longer takes the device that long: no way to the host does. Then an answer that is stopped shall
/// not leave the device busy for long.
const SLOW: Duration = Duration::from_millis(60);

/// Where results come so many times as far apart with more tokens a submit, the device is at work all that while; else it is
/// the way to the host that takes the time, and the device is free for others in between.
const APART: f64 = 1.25;

/// What was learned of a device so far, and what is being tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    tokens: u32,
    depth: usize,
    /// What a submit of several tokens may take of the device.
    budget: Duration,
    /// Tokens a submit before the try that is going on, and tokens a second.
    before: Option<(u32, f64)>,
    /// Windows until the next try.
    rest: u32,
    /// Results to be passed over: they were on their way before the last change.
    skip: u32,
    /// Of the window that has begun: results, tokens, time.
    window: (u32, u32, Duration),
}

impl Pace {
    /// Begins with a token a submit. More are to take at most `budget` of the device.
    pub(super) fn new(budget: Duration) -> Pace {
        let window = (0, 0, Duration::ZERO);
        Pace { tokens: 1, depth: DEPTH, budget, before: None, rest: 0, skip: 0, window }
    }

    /// Tokens that the next submit is to choose.
    pub(super) fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Submits that may be on their way.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// An answer begins: what lies before its second result says nothing.
    pub(super) fn begin(&mut self) {
        self.start_window(1);
    }

    /// Takes into account that a result of `tokens` tokens came `time` after the one before.
    pub(super) fn arrived(&mut self, tokens: u32, time: Duration) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let (results, sum, total) = self.window;
        self.window = (results + 1, sum + tokens, total + time);
        if results + 1 == WINDOW {
            self.judge(f64::from(sum + tokens) / (total + time).as_secs_f64().max(1e-9));
        }
    }

    /// Goes on by the tokens a second of a whole window.
    fn judge(&mut self, rate: f64) {
        let is_slow = rate * SLOW.as_secs_f64() < 1.0;
        self.depth = if is_slow { DEPTH - 1 } else { DEPTH };
        match self.before.take() {
            Some((tokens, before)) if rate < GAIN * before || self.is_too_long(rate, (tokens, before)) => {
                (self.tokens, self.rest) = (tokens, REST);
                self.start_window(WINDOW);
            }
            None if self.rest > 0 || is_slow => {
                self.rest = self.rest.saturating_sub(1);
                self.start_window(0);
            }
            _ if self.tokens * 2 > MOST_TOKENS => self.start_window(0),
            _ => {
                self.before = Some((self.tokens, rate));
                self.tokens *= 2;
                self.start_window(WINDOW);
            }
        }
    }

    /// Whether submits of more tokens keep the device for longer than they may, by tokens a second with them and before.
    fn is_too_long(&self, rate: f64, (tokens, before): (u32, f64)) -> bool {
        let (now_s, before_s) = (f64::from(self.tokens) / rate, f64::from(tokens) / before);
        now_s > self.budget.as_secs_f64() && now_s > APART * before_s
    }

    fn start_window(&mut self, skip: u32) {
        (self.skip, self.window) = (skip, (0, 0, Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A device that takes `token` for each token and `submit` for each submit, and a host that sees a result `way` later,
    /// at the next multiple of `tick`. Returns the tokens of the fifth second, and how many a submit had.
    fn simulate(token: u64, submit: u64, way: u64, tick: u64) -> (u32, u32) {
        simulate_within(100, token, submit, way, tick)
    }

    /// The same within a budget in milliseconds.
    fn simulate_within(budget: u64, token: u64, submit: u64, way: u64, tick: u64) -> (u32, u32) {
        let (mut pace, mut now, mut free) = (Pace::new(Duration::from_millis(budget)), 0, 0);
        let mut flights = VecDeque::new();
        let (mut seen, mut last) = (0, 0);
        while now < 5_000_000 {
            while flights.len() < pace.depth() {
                free = free.max(now) + submit + token * u64::from(pace.tokens());
                flights.push_back((free, pace.tokens()));
            }
            let (done, tokens) = flights.pop_front().unwrap();
            let visible = (done + way).next_multiple_of(tick).max(now);
            pace.arrived(tokens, Duration::from_micros(visible - now));
            now = visible;
            if (4_000_000..5_000_000).contains(&now) {
                seen += tokens;
                last = tokens.max(last);
            }
        }
        (seen, last)
    }

    #[test]
    fn one_token_a_submit_where_the_device_is_what_takes_time() {
        let (seen, _) = simulate(5_000, 0, 0, 1);
        assert!((199..=201).contains(&seen), "{seen} tokens");
        assert_eq!(simulate(250_000, 0, 0, 1).1, 1);
        assert_eq!(simulate(70_000, 100, 1_000, 1).1, 1);
    }

    #[test]
    fn more_where_results_come_late_or_seldom_or_submits_are_dear() {
        // 200 tokens a second at best. With a token a submit, three on their way, and results 100 ms later: 29.
        for (submit, way, tick) in [(0, 100_000, 1), (0, 0, 100_000), (0, 40_000, 1)] {
            let (seen, tokens) = simulate(5_000, submit, way, tick);
            assert!(seen > 150 && tokens > 1, "{seen} tokens, {tokens} a submit");
        }
        // A token of half a millisecond, a submit of one.
        let (seen, tokens) = simulate(500, 1_000, 0, 1);
        assert!(seen > 1_400 && tokens >= 4, "{seen} tokens, {tokens} a submit");
    }

    #[test]
    fn no_more_than_the_budget_has_room_for_unless_it_is_the_way_that_takes_long() {
        // A submit as dear as four tokens: more of them in one are worth it, but for the frames that it would cost. Sixteen
        // give 200 tokens a second, four 125, two 83.
        let seen = |budget| simulate_within(budget, 4_000, 16_000, 0, 1).0;
        assert!(seen(100) > 180, "{} tokens", seen(100));
        assert!((110..140).contains(&seen(33)), "{} tokens", seen(33));
        assert!((70..95).contains(&seen(16)), "{} tokens", seen(16));
        for budget in [16, 33] {
            // A token is short, and whatever was chosen comes every 100 ms.
            let (seen, tokens) = simulate_within(budget, 1_000, 0, 100_000, 1);
            assert!(seen > 300 && tokens > 8, "{seen} tokens, {tokens} a submit");
            let (seen, _) = simulate_within(budget, 5_000, 0, 0, 100_000);
            assert!(seen > 150, "{seen} tokens");
        }
    }

    #[test]
    fn fewer_submits_on_their_way_where_a_token_is_slow() {
        let mut pace = Pace::new(SLOW);
        for _ in 0..WINDOW {
            pace.arrived(1, Duration::from_millis(250));
        }
        assert_eq!((pace.tokens(), pace.depth()), (1, DEPTH - 1));
    }

    #[test]
    fn the_beginning_of_an_answer_says_nothing() {
        let mut pace = Pace::new(SLOW);
        pace.begin();
        pace.arrived(1, Duration::from_secs(9));
        assert_eq!(pace, Pace::new(SLOW));
    }
}
