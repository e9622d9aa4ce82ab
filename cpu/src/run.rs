//! One thread's way through a program: its share of every op, and a meeting with the others after each.

use crate::lanes::Lanes;
use crate::op::{Live, Op};
use crate::team::{Sleep, Team};
use crate::{attention, matmul, quantise, rows};
use core::ops::Range;

pub use crate::attention::scratch_bytes;

/// Which of a team's threads this is.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Its number, from 0.
    pub thread: u32,
    /// How many there are.
    pub threads: u32,
}

impl Share {
    /// What falls to it of so many equal items: neighbours.
    #[inline(always)]
    pub fn of(self, items: usize) -> Range<usize> {
        let (thread, threads) = (self.thread as usize, self.threads as usize);
        items * thread / threads..items * (thread + 1) / threads
    }
}

/// Runs a program as one of a team's threads.
///
/// # Safety
/// Every address in the program is good for what its op does with it, and the processor has the instructions of `L`. All
/// threads of the team run the same program.
#[inline(always)]
pub unsafe fn run<L: Lanes>(program: &[Op], live: Live, thread: u32, team: &Team, sleep: &impl Sleep) {
    let share = Share { thread, threads: team.threads() };
    for op in program {
        carry_out::<L>(op, live, share);
        team.meet(sleep);
    }
}

#[inline(always)]
unsafe fn carry_out<L: Lanes>(op: &Op, live: Live, share: Share) {
    let (position, live_rows) = (live.position as usize, live.rows as usize);
    match *op {
        Op::Embed { ref table, first, tokens, by_position, combine, y, count } => {
            let index = |t: usize| match by_position {
                1 => live.position + t as u32,
                _ => *(tokens as *const u32).add(t),
            };
            rows::embed((table, first), index, combine, y, live.count(count), share);
        }
        Op::RmsNorm { x, gain, groups, epsilon, y, count } => {
            rows::rms_norm::<L>(x, (gain, groups, epsilon), y, live.count(count), share);
        }
        Op::LayerNorm { x, gain, bias, epsilon, y, count } => {
            rows::layer_norm::<L>(x, (gain, bias, epsilon), y, live.count(count), share);
        }
        Op::Quantise { x, y, count } => quantise::quantise::<L>(x, y, live.count(count), share),
        Op::MatmulInts { x, ref matrix, epilogue, y, count } => {
            matmul::ints::<L>(x, matrix, epilogue, y, live.count(count), share);
        }
        Op::MatmulFloats { x, ref matrix, epilogue, y, count } => {
            matmul::floats::<L>(x, matrix, epilogue, y, live.count(count), share);
        }
        Op::Pointwise { x, epilogue, y, count } => rows::pointwise::<L>(x, epilogue, y, live.count(count), share),
        Op::Gate { x, activation, y, count } => rows::gate::<L>(x, activation, y, live.count(count), share),
        Op::Rope { x, head_width, ref turn, y, count } => {
            rows::rope((x, y), head_width, turn, position, live.count(count), share);
        }
        Op::Store { x, keys, ref cache } => rows::store::<L>(x, keys == 1, cache, position, live_rows, share),
        Op::Heads { x, ref turn, ref cache, y } => {
            rows::heads::<L>(x, turn, cache, y, position..position + live_rows, share);
        }
        Op::Attention { q, ref cache, scale, scratch, scratch_bytes, y } => {
            let scratch = scratch + share.thread as usize * scratch_bytes as usize;
            attention::attention::<L>(q, cache, scale, scratch, y, live, share);
        }
        Op::LastRow { x, y } => {
            for i in share.of(x.width as usize) {
                *y.row(0).add(i) = *x.row(live_rows - 1).add(i);
            }
        }
    }
}
