//! The demo model's file -> resident weights: exact, in whatever chunks it comes, and with little memory in between.

use oriel::format::{Encoding, Packed};
use oriel::gguf;
use oriel::intake::{Intake, Wanted};
use oriel::weights::{Catalogue, Layout, Precision, Shape, Sink, Spec, WeightId};
use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::cell::Cell;
use std::path::Path;

const MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

thread_local! {
    /// Bytes that this thread holds, and the most that it held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counted.
struct Counted;

fn count(change: isize) {
    // A thread that ends has no counter any more.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + change;
        held.set((now, held.get().1.max(now)));
    });
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        count(block.size() as isize);
        // SAFETY: what the caller promises is what the system's allocator asks for.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        count(-(block.size() as isize));
        // SAFETY: `at` came from there, with the same block.
        unsafe { System.dealloc(at, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn read_model() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL);
    std::fs::read(path).unwrap_or_else(|error| panic!("{MODEL}: {error}; `cargo xtask model` brings it"))
}

/// Every tensor of the file, as what its shape says it is.
fn specs(file: &gguf::File) -> Vec<Spec> {
    let spec = |entry: &oriel::manifest::TensorEntry| Spec {
        name: entry.name.clone(),
        source_name: entry.name.clone(),
        shape: match entry.shape[..] {
            [outputs, inputs] => Shape::Matrix { outputs: outputs as u32, inputs: inputs as u32 },
            _ => Shape::Vector { width: entry.shape.iter().product::<u64>() as u32 },
        },
        run: None,
        transposed: false,
        required: true,
    };
    file.manifest.tensors.iter().map(spec).collect()
}

/// Keeps what is written, or only takes note of how much it is.
#[derive(Default)]
struct Weights {
    keep: bool,
    layouts: Vec<Layout>,
    parts: Vec<Vec<Vec<u8>>>,
    written: u64,
}

impl Sink for Weights {
    fn allocate(&mut self, _name: &str, layout: &Layout) -> oriel::Result<WeightId> {
        let room = |bytes: u64| vec![0; if self.keep { bytes as usize } else { 0 }];
        self.parts.push(layout.parts.iter().map(|part| room(part.bytes)).collect());
        self.layouts.push(layout.clone());
        Ok(WeightId(self.layouts.len() - 1))
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> oriel::Result<()> {
        self.written += bytes.len() as u64;
        if self.keep {
            self.parts[weight.0][part][offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        Ok(())
    }
}

#[test]
fn the_head_says_what_the_model_is() {
    let bytes = read_model();
    let mut head = gguf::Head::with_length(bytes.len() as u64);
    let file = bytes.chunks(4093).find_map(|chunk| head.push(chunk).unwrap()).expect("a whole head");
    assert_eq!(file.manifest.architecture, "llama");
    assert_eq!(file.manifest.settings.size(&["embedding_length"]).unwrap(), 576);
    assert_eq!((file.vocabulary.model.as_str(), file.vocabulary.tokens.len()), ("gpt2", 49152));
    assert_eq!(file.vocabulary.merges.len(), 48900);
    assert!(file.chat_template.is_some_and(|template| template.contains("<|im_start|>")));
    let count = |encoding| file.manifest.tensors.iter().filter(|entry| entry.encoding == encoding).count();
    assert_eq!([Encoding::Q4_1, Encoding::Q8_0, Encoding::F32].map(count), [210, 1, 61]);
    file.manifest.check_length(0, bytes.len() as u64).unwrap();
    assert!(file.manifest.check_length(0, bytes.len() as u64 - 1).is_err());
}

fn intake(file: &gguf::File) -> Intake {
    let (specs, begun) = (&specs(file), &Catalogue::default());
    let wanted = Wanted { specs, here: &|_| true, begun, precision: Precision::Auto, binding_limit: 128 << 20 };
    Intake::new(&file.manifest, &wanted).expect("the file fits what is wanted of it")
}

#[test]
fn every_weight_is_resident_as_the_file_has_it() {
    let bytes = read_model();
    let file = gguf::Head::new().push(&bytes).unwrap().expect("a whole head");
    let mut intake = intake(&file);
    let mut weights = Weights { keep: true, ..Weights::default() };
    bytes.chunks(65_537).for_each(|chunk| intake.push(0, chunk, &mut weights).unwrap());
    intake.finish().unwrap();
    for ((entry, layout), parts) in file.manifest.tensors.iter().zip(&weights.layouts).zip(&weights.parts) {
        let (info, width) = (entry.encoding.info().unwrap(), layout.inputs as usize);
        let stored = &bytes[entry.offset as usize..entry.end() as usize];
        let row_bytes = width / info.block as usize * info.block_bytes as usize;
        let (mut expected, mut resident) = (vec![0.0; width], vec![0.0; width]);
        for (output, stored) in stored.chunks_exact(row_bytes).enumerate() {
            (info.decode)(stored, &mut expected);
            Packed { layout, parts }.row(output as u32, &mut resident);
            assert!(expected == resident, "{} row {output}", entry.name);
        }
    }
}

#[test]
fn conversion_holds_a_few_mebibytes() {
    let bytes = read_model();
    let file = gguf::Head::new().push(&bytes).unwrap().expect("a whole head");
    let mut intake = intake(&file);
    let mut weights = Weights::default();
    intake.allocate(&mut weights).unwrap();
    let before = HELD.get().0;
    HELD.set((before, before));
    bytes.chunks(1 << 20).for_each(|chunk| intake.push(0, chunk, &mut weights).unwrap());
    intake.finish().unwrap();
    let most = HELD.get().1 - before;
    assert!(most < 4 << 20, "{most} bytes");
    // These encodings take as many bytes on the device as in the file.
    assert_eq!(weights.written, file.manifest.tensors.iter().map(|entry| entry.bytes).sum::<u64>());
}
