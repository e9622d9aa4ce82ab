//! Where programs run: memory, threads and instructions, here or elsewhere.

use crate::Result;
use oriel_cpu::op::{Live, Matrix, Op};

/// A place in a machine's memory.
pub type Address = usize;

/// Memory and what runs programs over it. Dropping it frees all of it.
pub trait Machine {
    /// What the instructions are called.
    fn instructions(&self) -> String;

    /// How many threads share the work.
    fn threads(&self) -> u32;

    /// Room for so many bytes, all zero, from a multiple of 64 on.
    ///
    /// # Errors
    /// Where there is not enough memory.
    fn allocate(&mut self, bytes: u64) -> Result<Address>;

    /// Fills memory that was allocated.
    fn write(&mut self, at: Address, bytes: &[u8]);

    /// Reads memory that was allocated.
    fn read(&self, at: Address, bytes: &mut [u8]);

    /// Puts the rows of a matrix in the order that programs read them in.
    ///
    /// # Errors
    /// Where there is not enough memory for what that takes meanwhile.
    fn pack(&mut self, matrix: &Matrix) -> Result<()>;

    /// Takes a program, and says by what number it is run.
    ///
    /// # Errors
    /// Where there is not enough memory.
    fn take(&mut self, program: &[Op]) -> Result<usize>;

    /// Runs a program to its end.
    ///
    /// # Errors
    /// Where the machine has failed: a thread of it is gone.
    fn run(&mut self, program: usize, live: Live) -> Result<()>;

    /// Bytes that were allocated.
    fn bytes(&self) -> u64;
}
