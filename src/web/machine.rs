//! The processor's module, which JavaScript holds, as a [`Machine`].

use crate::cpu::{Address, Machine};
use crate::{Error, Result};
use oriel_cpu::op::{Live, Matrix, Op};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The module's memory and threads: `pkg/src/machine.ts`.
    pub type ProcessorModule;

    /// What the instructions are called.
    #[wasm_bindgen(method)]
    fn instructions(this: &ProcessorModule) -> String;

    /// How many threads share the work.
    #[wasm_bindgen(method)]
    fn threads(this: &ProcessorModule) -> u32;

    /// Room for so many bytes, all zero; 0 where there is none.
    #[wasm_bindgen(method)]
    fn allocate(this: &ProcessorModule, bytes: f64) -> u32;

    #[wasm_bindgen(method)]
    fn write(this: &ProcessorModule, at: u32, bytes: &[u8]);

    #[wasm_bindgen(method)]
    fn read(this: &ProcessorModule, at: u32, bytes: &mut [u8]);

    /// Copies from this module's memory to the other's.
    #[wasm_bindgen(method)]
    fn copy(this: &ProcessorModule, from: u32, bytes: u32, at: u32);

    /// Puts a matrix in order; false where memory is lacking.
    #[wasm_bindgen(method)]
    fn pack(this: &ProcessorModule, matrix: u32) -> bool;

    #[wasm_bindgen(method, catch)]
    fn run(
        this: &ProcessorModule,
        program: u32,
        ops: u32,
        position: u32,
        rows: u32,
    ) -> std::result::Result<(), JsValue>;
}

/// The module, and what it was given.
pub struct Processor {
    module: ProcessorModule,
    /// Room for a matrix's description, once one was packed.
    matrix: Option<Address>,
    /// Where each program stands, and its ops.
    programs: Vec<(Address, u32)>,
    bytes: u64,
}

impl Processor {
    /// The machine that a module is.
    pub fn new(module: ProcessorModule) -> Processor {
        Processor { module, matrix: None, programs: Vec::new(), bytes: 0 }
    }

    /// Copies plain data into the module's memory, padding and all.
    fn put<T>(&self, data: &[T], at: Address) {
        self.module.copy(data.as_ptr() as u32, size_of_val(data) as u32, at as u32);
    }
}

impl Machine for Processor {
    fn instructions(&self) -> String {
        self.module.instructions()
    }

    fn threads(&self) -> u32 {
        self.module.threads()
    }

    fn allocate(&mut self, bytes: u64) -> Result<Address> {
        match self.module.allocate(bytes as f64) {
            0 => Err(Error::Memory(format!(
                "needs {bytes} bytes more than the {} that are taken, and the memory that the browser gave ends there",
                self.bytes
            ))),
            address => {
                self.bytes += bytes;
                Ok(address as Address)
            }
        }
    }

    fn write(&mut self, at: Address, bytes: &[u8]) {
        self.module.write(at as u32, bytes);
    }

    fn read(&self, at: Address, bytes: &mut [u8]) {
        self.module.read(at as u32, bytes);
    }

    fn pack(&mut self, matrix: &Matrix) -> Result<()> {
        let at = self.matrix.map_or_else(|| self.allocate(size_of::<Matrix>() as u64), Ok)?;
        self.matrix = Some(at);
        self.put(std::slice::from_ref(matrix), at);
        match self.module.pack(at as u32) {
            true => Ok(()),
            false => Err(Error::Memory("no room to put a weight's rows in order".into())),
        }
    }

    fn take(&mut self, program: &[Op]) -> Result<usize> {
        let at = self.allocate(size_of_val(program) as u64)?;
        self.put(program, at);
        self.programs.push((at, program.len() as u32));
        Ok(self.programs.len() - 1)
    }

    fn run(&mut self, program: usize, live: Live) -> Result<()> {
        let (at, ops) = self.programs[program];
        let ran = self.module.run(at as u32, ops, live.position, live.rows);
        ran.map_err(|error| {
            let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
            Error::Lost(message.unwrap_or_else(|| format!("the processor's module failed: {error:?}")))
        })
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
