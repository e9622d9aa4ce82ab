//! The engine in this process: memory, threads, and the best instructions that the processor has.

use crate::lanes::{Lanes, Portable};
use crate::op::{Live, Op};
use crate::run;
use crate::team::{Sleep, Team};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A thread's way through a program, compiled for one set of instructions.
type Runner = unsafe fn(&[Op], Live, u32, &Team);

/// Sets of instructions that this processor has, the best first, by name.
fn runners() -> Vec<(&'static str, Runner)> {
    let mut all: Vec<(&'static str, Runner)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use crate::lanes::Avx2;
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            if is_x86_feature_detected!("avxvnni") {
                all.push((Avx2::<true>::NAME, run_avx2_vnni));
            }
            all.push((Avx2::<false>::NAME, run_avx2));
        }
    }
    #[cfg(target_arch = "aarch64")]
    all.push((crate::lanes::Neon::NAME, run_neon));
    all.push((Portable::NAME, run_portable));
    all
}

unsafe fn run_portable(program: &[Op], live: Live, thread: u32, team: &Team) {
    run::run::<Portable>(program, live, thread, team, &Futex);
}

#[cfg(target_arch = "aarch64")]
unsafe fn run_neon(program: &[Op], live: Live, thread: u32, team: &Team) {
    run::run::<crate::lanes::Neon>(program, live, thread, team, &Futex);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn run_avx2(program: &[Op], live: Live, thread: u32, team: &Team) {
    run::run::<crate::lanes::Avx2<false>>(program, live, thread, team, &Futex);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
unsafe fn run_avx2_vnni(program: &[Op], live: Live, thread: u32, team: &Team) {
    run::run::<crate::lanes::Avx2<true>>(program, live, thread, team, &Futex);
}

/// The names of the sets of instructions that can be asked for here, the best first.
pub fn instructions() -> Vec<&'static str> {
    runners().into_iter().map(|(name, _)| name).collect()
}

/// Sleep as the operating system has it.
struct Futex;

impl Sleep for Futex {
    fn wait(&self, word: &AtomicU32, while_is: u32) {
        atomic_wait::wait(word, while_is);
    }

    fn wake(&self, word: &AtomicU32) {
        atomic_wait::wake_all(word);
    }
}

/// A run that the threads are to join.
#[derive(Clone, Copy)]
struct Job {
    program: *const [Op],
    live: Live,
}

// SAFETY: a job is read between the beginning of a run and its last meeting, while the program is borrowed.
unsafe impl Send for Job {}

struct Shared {
    team: Team,
    runner: Runner,
    job: Mutex<Option<Job>>,
    over: AtomicBool,
}

/// Threads that wait for programs. They end when it is dropped.
pub struct Pool {
    shared: Arc<Shared>,
    name: &'static str,
    others: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Of `threads` with the caller's, at least one, and the best instructions or those of that name.
    ///
    /// # Errors
    /// Where the system gives no thread; where there are no such instructions, with the names of those that there are.
    pub fn new(threads: u32, instructions: Option<&str>) -> Result<Pool, PoolError> {
        let all = runners();
        let found = all.iter().find(|(name, _)| instructions.is_none_or(|wanted| wanted == *name));
        let Some((name, runner)) = found else {
            let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
            let wanted = instructions.unwrap_or_default();
            let message = format!("instructions are {wanted:?}; this processor has: {}", names.join(", "));
            return Err(PoolError::Instructions(message));
        };
        let team = Team::new(threads.max(1));
        let shared = Arc::new(Shared { team, runner: *runner, job: Mutex::new(None), over: AtomicBool::new(false) });
        let mut pool = Pool { shared: shared.clone(), name, others: Vec::new() };
        for thread in 1..threads.max(1) {
            let shared = shared.clone();
            let named = std::thread::Builder::new().name(format!("oriel-cpu-{thread}"));
            let handle = named.spawn(move || shared.serve(thread));
            pool.others.push(handle.map_err(PoolError::Thread)?);
        }
        Ok(pool)
    }

    /// What the instructions are called.
    pub fn instructions(&self) -> &'static str {
        self.name
    }

    /// How many threads there are.
    pub fn threads(&self) -> u32 {
        self.shared.team.threads()
    }

    /// Runs a program to its end.
    ///
    /// # Safety
    /// Every address in it is good for what its op does with it.
    pub unsafe fn run(&mut self, program: &[Op], live: Live) {
        if program.is_empty() {
            // Without an op there is no meeting, and the others would not know that the run is over.
            return;
        }
        let _guard = Together;
        *lock(&self.shared.job) = Some(Job { program, live });
        self.shared.team.begin(&Futex);
        (self.shared.runner)(program, live, 0, &self.shared.team);
    }
}

/// Ends the process where a thread panics amid a run: the others would wait for it without end.
struct Together;

impl Drop for Together {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Why there is no pool.
#[derive(Debug)]
pub enum PoolError {
    /// The processor has no such instructions; it has those named.
    Instructions(String),
    /// The system gives no thread.
    Thread(std::io::Error),
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn serve(&self, thread: u32) {
        let mut last = 0;
        loop {
            last = self.team.next(last, &Futex);
            if self.over.load(Acquire) {
                return;
            }
            let (job, _guard) = (*lock(&self.job), Together);
            if let Some(Job { program, live }) = job {
                // SAFETY: the thread that began the run holds the program until all have met after its last op.
                unsafe { (self.runner)(&*program, live, thread, &self.team) };
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.over.store(true, Release);
        self.shared.team.begin(&Futex);
        for thread in self.others.drain(..) {
            drop(thread.join());
        }
    }
}
