//! The machine that this process is.

use super::{Address, Machine};
use crate::{Error, Result};
use oriel_cpu::native::{Pool, PoolError};
use oriel_cpu::op::{Live, Matrix, Op};
use oriel_cpu::pack;

pub use oriel_cpu::native::instructions;

/// A line of the processor's cache: what memory is allocated in.
#[repr(C, align(64))]
#[derive(Clone, Copy, bytemuck::Zeroable)]
struct Line([u8; 64]);

/// Memory and threads of this process.
pub struct Native {
    pool: Pool,
    memory: Vec<Vec<Line>>,
    programs: Vec<Vec<Op>>,
}

impl Native {
    /// With so many threads, or as many as the processor runs at once, and the best instructions or those of that name.
    ///
    /// # Errors
    /// [`Error::Option`] for instructions that the processor doesn't have; [`Error::Device`] without threads.
    pub fn new(threads: Option<u32>, instructions: Option<&str>) -> Result<Native> {
        let all = || std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
        let pool = Pool::new(threads.unwrap_or_else(all), instructions).map_err(|error| match error {
            PoolError::Instructions(message) => Error::Option(message),
            PoolError::Thread(error) => Error::Device(format!("no thread could be started: {error}")),
        })?;
        Ok(Native { pool, memory: Vec::new(), programs: Vec::new() })
    }
}

impl Machine for Native {
    fn instructions(&self) -> String {
        self.pool.instructions().into()
    }

    fn threads(&self) -> u32 {
        self.pool.threads()
    }

    fn allocate(&mut self, bytes: u64) -> Result<Address> {
        let lines = usize::try_from(bytes.div_ceil(size_of::<Line>() as u64)).ok();
        let lines = lines.and_then(|lines| bytemuck::try_zeroed_vec::<Line>(lines).ok());
        let mut lines =
            lines.ok_or_else(|| Error::Memory(format!("needs {bytes} bytes, more than there is memory")))?;
        let address = lines.as_mut_ptr().expose_provenance();
        self.memory.push(lines);
        Ok(address)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) {
        // SAFETY: the address is one that was allocated, for at least as many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
    }

    fn read(&self, at: Address, bytes: &mut [u8]) {
        // SAFETY: as above, and no program is running.
        unsafe { std::ptr::copy_nonoverlapping(at as *const u8, bytes.as_mut_ptr(), bytes.len()) };
    }

    fn pack(&mut self, matrix: &Matrix) -> Result<()> {
        let mut scratch = vec![0; pack::scratch_bytes(matrix)];
        // SAFETY: the matrix stands in memory that was allocated for whole panels.
        unsafe { pack::pack(matrix, scratch.as_mut_ptr()) };
        Ok(())
    }

    fn take(&mut self, program: &[Op]) -> Result<usize> {
        self.programs.push(program.to_vec());
        Ok(self.programs.len() - 1)
    }

    fn run(&mut self, program: usize, live: Live) -> Result<()> {
        // SAFETY: the addresses in a program were allocated here, for as many bytes as its shapes say.
        unsafe { self.pool.run(&self.programs[program], live) };
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.memory.iter().map(|lines| size_of_val(lines.as_slice()) as u64).sum()
    }
}
