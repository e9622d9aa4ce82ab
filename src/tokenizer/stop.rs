//! Streamed text -> the text before the first stop string.

use crate::{Error, Result};

/// Looks for stop strings in a text that comes in portions, holds back what may be the beginning of one, and ends the text
/// before the one that is complete first. How the text is cut into portions makes no difference.
#[derive(Debug, Clone)]
pub struct StopStrings {
    stops: Vec<String>,
    /// The end of the text so far, which a stop string may begin in.
    held: String,
    stopped: bool,
}

/// What may be shown after a portion of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Text that belongs to no stop string.
    pub text: String,
    /// Whether a stop string was met; no text follows.
    pub stopped: bool,
}

impl StopStrings {
    /// Fails if one of `stops` is empty. None at all is fine: everything is passed on.
    pub fn new(stops: Vec<String>) -> Result<StopStrings> {
        if let Some(place) = stops.iter().position(String::is_empty) {
            return Err(Error::Option(format!("stop string {place} is empty, expected at least one character")));
        }
        Ok(StopStrings { stops, held: String::new(), stopped: false })
    }

    /// Takes the next portion of the text.
    pub fn push(&mut self, text: &str) -> Emitted {
        if self.stopped {
            return Emitted { text: String::new(), stopped: true };
        }
        self.held += text;
        if let Some(start) = self.first_stop() {
            self.stopped = true;
            self.held.truncate(start);
            return Emitted { text: std::mem::take(&mut self.held), stopped: true };
        }
        let hold = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - hold);
        Emitted { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was held back, now that no text follows.
    pub fn finish(self) -> String {
        self.held
    }

    /// Where the stop string begins that is complete first; of several that end there, the longest.
    fn first_stop(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str()).map(|start| (start, stop.len())));
        found.min_by_key(|(start, length)| (start + length, *start)).map(|(start, _)| start)
    }
}

/// The length of the longest proper beginning of `stop` that `text` ends with.
fn overlap(text: &str, stop: &str) -> usize {
    let beginnings = stop.char_indices().map(|(end, _)| &stop[..end]);
    beginnings.filter(|beginning| text.ends_with(beginning)).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], portions: &[&str]) -> (Vec<String>, bool) {
        let mut strings = StopStrings::new(stops.iter().map(|stop| stop.to_string()).collect()).unwrap();
        let mut texts = Vec::new();
        for portion in portions {
            let emitted = strings.push(portion);
            texts.push(emitted.text);
            if emitted.stopped {
                return (texts, true);
            }
        }
        texts.push(strings.finish());
        (texts, false)
    }

    #[test]
    fn text_without_a_stop_passes() {
        assert_eq!(run(&[], &["a", "b"]), (vec!["a".into(), "b".into(), String::new()], false));
        assert_eq!(run(&["END"], &["a", "EN", "D"]), (vec!["a".into(), String::new(), String::new()], true));
        assert_eq!(run(&["END"], &["aE", "x"]), (vec!["a".into(), "Ex".into(), String::new()], false));
        assert_eq!(run(&["END"], &["aEN"]), (vec!["a".into(), "EN".into()], false));
    }

    #[test]
    fn a_stop_across_portions_is_found_and_nothing_of_it_shown() {
        assert_eq!(
            run(&["\n\nUser:"], &["Hi\n", "\nUs", "er: no"]),
            (vec!["Hi".into(), String::new(), String::new()], true)
        );
        assert_eq!(run(&["aab"], &["aa", "aab"]), (vec![String::new(), "aa".into()], true));
        assert_eq!(run(&["€"], &["1 €"]), (vec!["1 ".into()], true));
    }

    #[test]
    fn of_several_the_one_complete_first_wins_then_the_longest() {
        for portions in [&["xabc"][..], &["x", "a", "b", "c"]] {
            let (texts, stopped) = run(&["abc", "b"], portions);
            assert_eq!((texts.concat(), stopped), ("xa".to_string(), true));
            let (texts, _) = run(&["bc", "abc"], portions);
            assert_eq!(texts.concat(), "x");
        }
    }

    #[test]
    fn after_the_stop_nothing_follows() {
        let mut strings = StopStrings::new(vec![".".into()]).unwrap();
        assert_eq!(strings.push("a.b"), Emitted { text: "a".into(), stopped: true });
        assert_eq!(strings.push("c"), Emitted { text: String::new(), stopped: true });
        assert_eq!(strings.finish(), "");
    }

    #[test]
    fn an_empty_stop_string_is_refused() {
        let error = StopStrings::new(vec!["a".into(), String::new()]).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("stop string 1")), ("option", true));
    }

    /// The text before the stop that is complete first, found by trying every end.
    fn naive(stops: &[String], text: &str) -> String {
        for (end, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let starts = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str())).map(|stop| end - stop.len());
            if let Some(start) = starts.min() {
                return text[..start].to_string();
            }
        }
        text.to_string()
    }

    proptest! {
        #[test]
        fn the_portions_make_no_difference(
            stops in proptest::collection::vec("[abé]{1,4}", 0..4),
            portions in proptest::collection::vec("[abcé]{0,5}", 0..12),
        ) {
            let mut strings = StopStrings::new(stops.clone()).unwrap();
            let mut shown = String::new();
            for portion in &portions {
                shown += &strings.push(portion).text;
            }
            shown += &strings.finish();
            prop_assert_eq!(shown, naive(&stops, &portions.concat()));
        }
    }
}
