//! The engine as a WebAssembly module of its own: what JavaScript calls, and what it gives.
//!
//! The memory is imported, shared among threads where there are several; each thread is an instance with a stack of its own.
//! Memory is only ever taken: it goes with the instance.

use crate::lanes::Wasm;
use crate::op::{Live, Matrix, Op};
use crate::team::{Sleep, Team};
use crate::{pack, run};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering::*};

/// Bytes of a page of memory.
const PAGE: u32 = 1 << 16;

/// Where allocations begin: a line of the processor's cache.
const ALIGNMENT: u32 = 64;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    /// `Atomics.wait`, for a while.
    fn wait(word: *const AtomicU32, while_is: u32);
    /// `Atomics.notify`.
    fn wake(word: *const AtomicU32);
}

unsafe extern "C" {
    /// Where the linker's own data and the first stack end.
    static __heap_base: u8;
}

/// Sleep as the page's threads have it.
struct Workers;

impl Sleep for Workers {
    fn wait(&self, word: &AtomicU32, while_is: u32) {
        // SAFETY: the word stands in the memory that both sides have.
        unsafe { wait(word, while_is) };
    }

    fn wake(&self, word: &AtomicU32) {
        // SAFETY: as above.
        unsafe { wake(word) };
    }
}

/// What only the first thread changes, and only while no other is at work.
struct Owned<T>(UnsafeCell<T>);

// SAFETY: the others read it between the beginning of a run and its last meeting, when it stays as it is.
unsafe impl<T> Sync for Owned<T> {}

/// What the threads are to run.
#[derive(Clone, Copy)]
struct Job {
    program: *const Op,
    ops: usize,
    live: Live,
}

static TEAM: Owned<Team> = Owned(UnsafeCell::new(Team::new(1)));
static JOB: Owned<Job> =
    Owned(UnsafeCell::new(Job { program: core::ptr::null(), ops: 0, live: Live { position: 0, rows: 0 } }));
/// The first free address; 0 before anything was allocated.
static FREE: AtomicU32 = AtomicU32::new(0);
/// What [`pack`] works in: where, and how many bytes.
static SCRATCH: Owned<[u32; 2]> = Owned(UnsafeCell::new([0; 2]));

/// Room for so many bytes, all zero, or 0 where there is none left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocate(bytes: u32) -> u32 {
    if FREE.load(Relaxed) == 0 {
        FREE.store(&raw const __heap_base as u32, Relaxed);
    }
    let start = FREE.load(Relaxed).checked_next_multiple_of(ALIGNMENT);
    let Some((start, end)) = start.and_then(|start| Some((start, start.checked_add(bytes)?))) else { return 0 };
    let pages = core::arch::wasm32::memory_size::<0>() as u32;
    let lacking = end.div_ceil(PAGE).saturating_sub(pages);
    if lacking > 0 && core::arch::wasm32::memory_grow::<0>(lacking as usize) == usize::MAX {
        return 0;
    }
    FREE.store(end, Relaxed);
    start
}

/// Puts the rows of a matrix in order; 0 where memory is lacking.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pack_matrix(matrix: *const Matrix) -> u32 {
    let (matrix, scratch) = (&*matrix, &mut *SCRATCH.0.get());
    let bytes = pack::scratch_bytes(matrix) as u32;
    if scratch[1] < bytes {
        *scratch = [allocate(bytes), bytes];
        if scratch[0] == 0 {
            *scratch = [0; 2];
            return 0;
        }
    }
    pack::pack(matrix, scratch[0] as *mut u8);
    1
}

/// Makes the team one of so many threads: before any of them serves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn team(threads: u32) {
    *TEAM.0.get() = Team::new(threads);
}

/// Runs a program of so many ops to its end, with the other threads' help.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run_program(program: *const Op, ops: u32, position: u32, rows: u32) {
    if ops == 0 {
        // Without an op there is no meeting, and the others would not know that the run is over.
        return;
    }
    let (job, team) = (Job { program, ops: ops as usize, live: Live { position, rows } }, &*TEAM.0.get());
    *JOB.0.get() = job;
    team.begin(&Workers);
    carry_out(job, 0, team);
}

/// Serves as one of the threads, 1 or more, in the run after run `last`, and returns its number. It returns so that it is
/// called anew: browsers begin with code that is quickly compiled, and take up the better one with the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn serve(thread: u32, last: u32) -> u32 {
    let team = &*TEAM.0.get();
    let run = team.next(last, &Workers);
    carry_out(*JOB.0.get(), thread, team);
    run
}

unsafe fn carry_out(job: Job, thread: u32, team: &Team) {
    run::run::<Wasm>(core::slice::from_raw_parts(job.program, job.ops), job.live, thread, team, &Workers);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
