//! Threads that go through a program side by side: who does which share, and how they wait for one another.

use core::sync::atomic::{AtomicU32, Ordering::*};

/// Looks that a waiting thread takes before it sleeps: an op lasts microseconds, falling asleep and waking up as long. In
/// WebAssembly a look takes a nanosecond, as there is no pause between two, and a browser is slower to put to sleep.
const PATIENCE: u32 = if cfg!(target_arch = "wasm32") { 1 << 18 } else { 1 << 14 };

/// Sleeps until a word is no longer what it was, or for a while; wakes those who do. The platform's business.
pub trait Sleep: Sync {
    /// May return early.
    fn wait(&self, word: &AtomicU32, while_is: u32);
    /// Wakes all.
    fn wake(&self, word: &AtomicU32);
}

/// What the threads of a team share.
#[repr(C)]
pub struct Team {
    threads: u32,
    arrived: AtomicU32,
    /// Grows with each barrier that all have reached.
    turn: AtomicU32,
    sleepers: AtomicU32,
    /// Grows with each run that is begun.
    run: AtomicU32,
}

impl Team {
    /// Of `threads`, at least one: the thread that begins runs is one of them.
    pub const fn new(threads: u32) -> Team {
        Team {
            threads,
            arrived: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            run: AtomicU32::new(0),
        }
    }

    /// How many they are.
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// Waits until all have come here. What any wrote before, all see after.
    pub fn meet(&self, sleep: &impl Sleep) {
        if self.threads == 1 {
            return;
        }
        let turn = self.turn.load(Acquire);
        if self.arrived.fetch_add(1, AcqRel) + 1 == self.threads {
            self.arrived.store(0, Relaxed);
            self.turn.store(turn.wrapping_add(1), SeqCst);
            self.rouse(&self.turn, sleep);
        } else {
            self.wait(&self.turn, turn, sleep);
        }
    }

    /// Lets the others begin: what was written before is theirs to read.
    pub fn begin(&self, sleep: &impl Sleep) {
        if self.threads > 1 {
            self.run.fetch_add(1, SeqCst);
            self.rouse(&self.run, sleep);
        }
    }

    /// Waits for a run after run `last`, and returns its number.
    pub fn next(&self, last: u32, sleep: &impl Sleep) -> u32 {
        self.wait(&self.run, last, sleep);
        self.run.load(Acquire)
    }

    fn rouse(&self, word: &AtomicU32, sleep: &impl Sleep) {
        if self.sleepers.load(SeqCst) > 0 {
            sleep.wake(word);
        }
    }

    fn wait(&self, word: &AtomicU32, while_is: u32, sleep: &impl Sleep) {
        for _ in 0..PATIENCE {
            if word.load(Acquire) != while_is {
                return;
            }
            core::hint::spin_loop();
        }
        self.sleepers.fetch_add(1, SeqCst);
        while word.load(SeqCst) == while_is {
            sleep.wait(word, while_is);
        }
        self.sleepers.fetch_sub(1, SeqCst);
    }
}
