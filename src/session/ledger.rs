//! Which passes made what stands in the cache -> the same cache again, to the bit, on another device.
//!
//! The kernels that compute a position follow from the rows of its pass: keys and values of one token run alone differ in
//! their last bits from those of the same token in the middle of a prompt. So a cache is described by the passes that made
//! it, in order, each with all the tokens that it ran, also those whose place a later pass has taken.

use crate::{Error, Result};

/// Tokens that were run, from a position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The position of the first.
    pub start: u32,
    /// Whether each was run alone; else all together.
    pub alone: bool,
    /// The tokens.
    pub tokens: Vec<u32>,
}

impl Pass {
    fn end(&self) -> usize {
        self.start as usize + self.tokens.len()
    }
}

/// What changed since it was last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Passes that begin here or later are no more; of tokens that ran alone, those from here on.
    pub from: u32,
    /// The passes that take their place.
    pub passes: Vec<Pass>,
}

/// The passes whose keys and values stand in the cache, in order: each begins after the one before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    passes: Vec<Pass>,
    /// Where the first change since it was last told is.
    untold: Option<u32>,
    /// How many of the passes are still to be run, the last ones: the cache lacks what they made.
    owed: usize,
}

impl Ledger {
    /// Passes that were made on another device and are to be made here.
    ///
    /// # Errors
    /// [`Error::Option`] where they leave a gap or one holds no token.
    pub fn owing(passes: Vec<Pass>) -> Result<Ledger> {
        let mut end = 0;
        let mut least = 0;
        for pass in &passes {
            let start = pass.start as usize;
            if start < least || start > end || pass.tokens.is_empty() {
                return Err(Error::Option(format!("a pass from position {start} does not follow those before it")));
            }
            (least, end) = (start + 1, pass.end());
        }
        Ok(Ledger { owed: passes.len(), passes, untold: Some(0) })
    }

    /// Passes whose keys and values stand in the cache.
    pub fn standing(passes: Vec<Pass>) -> Ledger {
        Ledger { owed: 0, passes, untold: Some(0) }
    }

    /// The passes, in order.
    pub fn passes(&self) -> &[Pass] {
        &self.passes
    }

    /// The tokens that stand in the cache, or will once nothing is owed.
    pub fn tokens(&self) -> Vec<u32> {
        let mut tokens = Vec::new();
        for pass in &self.passes {
            tokens.truncate(pass.start as usize);
            tokens.extend_from_slice(&pass.tokens);
        }
        tokens
    }

    /// Notes that tokens were run from a position on.
    pub fn note(&mut self, start: u32, alone: bool, tokens: &[u32]) {
        self.cut(start);
        match self.passes.last_mut() {
            Some(last) if alone && last.alone && last.end() == start as usize => last.tokens.extend_from_slice(tokens),
            _ => self.passes.push(Pass { start, alone, tokens: tokens.to_vec() }),
        }
        self.owed = 0;
    }

    /// Leaves out what begins at `from` or later.
    pub fn cut(&mut self, from: u32) {
        let before = self.passes.len();
        self.passes.retain(|pass| pass.start < from);
        self.owed = self.owed.saturating_sub(before - self.passes.len());
        if let Some(last) = self.passes.last_mut()
            && last.alone
        {
            last.tokens.truncate((from - last.start) as usize);
        }
        self.untold = Some(self.untold.map_or(from, |untold| untold.min(from)));
    }

    /// What has changed since the last call, if anything.
    pub fn tell(&mut self) -> Option<Change> {
        let from = self.untold.take()?;
        let passes = self.passes.iter().filter(|pass| pass.start >= from || pass.alone && pass.end() > from as usize);
        let passes = passes.map(|pass| {
            let skip = from.saturating_sub(pass.start);
            Pass { start: pass.start + skip, alone: pass.alone, tokens: pass.tokens[skip as usize..].to_vec() }
        });
        Some(Change { from, passes: passes.collect() })
    }

    /// The first pass that is still to be run.
    pub fn next_owed(&self) -> Option<&Pass> {
        self.passes.get(self.passes.len() - self.owed)
    }

    /// It has been run.
    pub fn pay(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// Positions that stand in the cache by now, of those that will.
    pub fn paid(&self) -> usize {
        self.passes[..self.passes.len() - self.owed].last().map_or(0, Pass::end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(start: u32, alone: bool, tokens: &[u32]) -> Pass {
        Pass { start, alone, tokens: tokens.to_vec() }
    }

    #[test]
    fn a_pass_whose_end_was_taken_by_another_is_kept_whole() {
        let mut ledger = Ledger::default();
        ledger.note(0, false, &[1, 2, 3, 4]);
        ledger.note(4, true, &[5]);
        ledger.note(5, true, &[6]);
        assert_eq!(ledger.passes, [pass(0, false, &[1, 2, 3, 4]), pass(4, true, &[5, 6])]);
        ledger.note(5, false, &[7, 8]);
        assert_eq!(ledger.passes[1..], [pass(4, true, &[5]), pass(5, false, &[7, 8])]);
        ledger.note(2, false, &[9]);
        assert_eq!(ledger.passes, [pass(0, false, &[1, 2, 3, 4]), pass(2, false, &[9])]);
        assert_eq!(ledger.tokens(), [1, 2, 9]);
        ledger.cut(0);
        assert!(ledger.tokens().is_empty());
    }

    #[test]
    fn what_is_told_makes_the_same_ledger_elsewhere() {
        let (mut ledger, mut other) = (Ledger::default(), Ledger::default());
        let mut tell = |ledger: &mut Ledger| {
            let Some(change) = ledger.tell() else { return };
            other.cut(change.from);
            change.passes.iter().for_each(|pass| other.note(pass.start, pass.alone, &pass.tokens));
            assert_eq!(other.passes, ledger.passes);
            assert_eq!(ledger.tell(), None);
        };
        for (start, alone, tokens) in [
            (0, false, &[1, 2, 3][..]),
            (3, true, &[4]),
            (4, true, &[5]),
            (5, true, &[6]),
            (4, true, &[7]),
            (2, false, &[8, 9]),
            (3, true, &[1]),
            (0, true, &[1]),
        ] {
            ledger.note(start, alone, tokens);
            if start != 4 {
                tell(&mut ledger);
            }
        }
        ledger.cut(0);
        tell(&mut ledger);
    }

    #[test]
    fn passes_with_a_gap_are_refused() {
        for passes in [
            vec![pass(1, false, &[1])],
            vec![pass(0, false, &[1]), pass(2, false, &[1])],
            vec![pass(0, false, &[1, 2]), pass(0, false, &[1, 2])],
            vec![pass(0, false, &[])],
        ] {
            assert_eq!(Ledger::owing(passes).unwrap_err().code(), "option");
        }
    }
}
