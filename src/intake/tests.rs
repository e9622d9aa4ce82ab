//! Files in memory, fed in chunks -> the weights that a sink is left with.

use super::*;
use crate::format::{ENCODINGS, Packed};
use crate::gguf::{self, writer::Writer};
use crate::safetensors;
use proptest::prelude::*;

const LIMIT: u64 = 128 << 20;

/// A sink in memory that checks the promises of [`Sink`] on the way.
#[derive(Default)]
struct Memory {
    weights: Vec<(String, Layout, Vec<Vec<u8>>)>,
    most: usize,
}

impl Sink for Memory {
    fn allocate(&mut self, name: &str, layout: &Layout) -> Result<WeightId> {
        let parts = layout.parts.iter().map(|part| vec![0; part.bytes as usize]).collect();
        self.weights.push((name.to_string(), layout.clone(), parts));
        Ok(WeightId(self.weights.len() - 1))
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4), "{} bytes at {offset}", bytes.len());
        self.weights[weight.0].2[part][offset as usize..][..bytes.len()].copy_from_slice(bytes);
        self.most = self.most.max(bytes.len());
        Ok(())
    }
}

impl Memory {
    fn weight(&self, name: &str) -> Packed<'_> {
        let (_, layout, parts) = self.weights.iter().find(|(known, _, _)| known == name).expect(name);
        Packed { layout, parts }
    }

    fn rows(&self, name: &str) -> Vec<f32> {
        let packed = self.weight(name);
        let width = packed.layout.inputs as usize;
        let mut rows = vec![0.0; packed.layout.outputs as usize * width];
        for (output, row) in rows.chunks_exact_mut(width).enumerate() {
            packed.row(output as u32, row);
        }
        rows
    }
}

fn matrix(name: &str, outputs: u32, inputs: u32) -> Spec {
    spec(name, Shape::Matrix { outputs, inputs })
}

/// Everything is asked of files that are all here.
fn intake_of(manifest: &Manifest, specs: &[Spec], precision: Precision, binding_limit: u64) -> Result<Intake> {
    let begun = &Catalogue::default();
    Intake::new(manifest, &Wanted { specs, here: &|_| true, begun, precision, binding_limit })
}

fn vector(name: &str, width: u32) -> Spec {
    spec(name, Shape::Vector { width })
}

fn spec(name: &str, shape: Shape) -> Spec {
    Spec { name: format!("our.{name}"), source_name: name.into(), shape, run: None, transposed: false, required: true }
}

/// Bytes of an encoding that a model might hold: arbitrary whole numbers, scales of modest size.
fn blocks(encoding: Encoding, values: u64, seed: u64) -> Vec<u8> {
    let info = encoding.info().unwrap();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    let mut bytes: Vec<u8> = (0..values / info.block * info.block_bytes).map(|_| next()).collect();
    let scales: &[usize] = match encoding {
        Encoding::F32 | Encoding::BF16 | Encoding::F16 => &[0],
        Encoding::Q8_0 | Encoding::Q4_0 => &[0],
        Encoding::Q6K => &[208],
        _ => &[0, 2],
    };
    for block in bytes.chunks_exact_mut(info.block_bytes as usize) {
        for &at in scales {
            // In each of these, the exponent of a value of about 0.01 to 1.
            match encoding {
                Encoding::F32 => block[3] = 0x3c | block[3] & 0x83,
                Encoding::BF16 => block[1] = 0x3c | block[1] & 0x83,
                _ => block[at + 1] = 0x24 | block[at + 1] & 0x8f,
            }
        }
    }
    bytes
}

fn decoded(encoding: Encoding, bytes: &[u8]) -> Vec<f32> {
    let info = encoding.info().unwrap();
    let mut values = vec![0.0; bytes.len() / info.block_bytes as usize * info.block as usize];
    (info.decode)(bytes, &mut values);
    values
}

/// Feeds a GGUF file in chunks of the sizes given, over and over.
fn load(bytes: &[u8], specs: &[Spec], precision: Precision, limit: u64, sizes: &[usize]) -> Result<Memory> {
    let mut head = gguf::Head::new();
    let file = head.push(bytes)?.ok_or_else(|| head.unfinished())?;
    let mut intake = intake_of(&file.manifest, specs, precision, limit)?;
    let mut memory = Memory::default();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at((*size).min(rest.len()));
        intake.push(0, now, &mut memory)?;
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    intake.finish()?;
    Ok(memory)
}

fn whole(bytes: &[u8], specs: &[Spec], precision: Precision) -> Result<Memory> {
    load(bytes, specs, precision, LIMIT, &[usize::MAX])
}

#[test]
fn every_encoding_becomes_its_format_as_exactly_as_promised() {
    for info in ENCODINGS {
        let data = blocks(info.encoding, 70 * 512, 7);
        let bytes = Writer::new("llama").tensor("w", &[70, 512], info.encoding, data.clone()).bytes();
        let memory = whole(&bytes, &[matrix("w", 70, 512)], Precision::Auto).unwrap();
        assert_eq!(
            memory.weight("our.w").layout.parts[0].format,
            info.resident.unwrap_or(Format::F16),
            "{}",
            info.name
        );
        let (expected, given) = (decoded(info.encoding, &data), memory.rows("our.w"));
        for (expected, given) in expected.chunks(32).zip(given.chunks(32)) {
            let greatest = expected.iter().fold(0.0f32, |greatest, value| greatest.max(value.abs()));
            let allowed = match info.encoding {
                Encoding::F16 | Encoding::Q8_0 | Encoding::Q4_0 | Encoding::Q4_1 => 0.0,
                // Scales of up to 17 bits become ones of 11.
                Encoding::F32 | Encoding::BF16 | Encoding::Q4K => greatest / 512.0,
                _ => greatest / 254.0 * 1.01,
            };
            for (expected, given) in expected.iter().zip(given) {
                assert!((expected - given).abs() <= allowed, "{}: {expected} became {given}", info.name);
            }
        }
    }
}

#[test]
fn precision_rules_floats_and_nothing_else() {
    let formats = |encoding: Encoding, precision, beside: Encoding| {
        let data = blocks(encoding, 4 * 40, 1);
        let writer = Writer::new("llama").tensor("w", &[4, 40], encoding, data);
        let writer = writer.tensor("v", &[64], encoding, blocks(encoding, 64, 2));
        let bytes = writer.tensor("b", &[2, 32], beside, blocks(beside, 64, 2)).bytes();
        let specs = [matrix("w", 4, 40), vector("v", 64), matrix("b", 2, 32)];
        let memory = whole(&bytes, &specs, precision).unwrap();
        [0, 1, 2].map(|i| memory.weights[i].1.parts[0].format)
    };
    let (f32, f16, q8, q4) = (Format::F32, Format::F16, Format::Q8, Format::Q4);
    for encoding in [Encoding::F32, Encoding::F16, Encoding::BF16] {
        for (precision, format) in [
            (Precision::Auto, f16),
            (Precision::F32, f32),
            (Precision::F16, f16),
            (Precision::Q8, q8),
            (Precision::Q4, q4),
        ] {
            assert_eq!(formats(encoding, precision, Encoding::F16), [format, f32, format]);
        }
        assert_eq!(formats(encoding, Precision::Q8, Encoding::Q4_0), [q8, f32, q4]);
    }
    assert_eq!(formats(Encoding::F32, Precision::Auto, Encoding::Q8_0), [f32, f32, q8]);
    assert_eq!(formats(Encoding::BF16, Precision::Auto, Encoding::Q8_0), [f16, f32, q8]);
}

#[test]
fn quantised_vectors_become_f32() {
    let data = blocks(Encoding::Q5K, 512, 3);
    let bytes = Writer::new("llama").tensor("v", &[512], Encoding::Q5K, data.clone()).bytes();
    let memory = whole(&bytes, &[vector("v", 512)], Precision::Q4).unwrap();
    assert_eq!(memory.rows("our.v"), decoded(Encoding::Q5K, &data));
}

/// Rows longer than what is converted at once, rows with padding, several parts, tensors that nobody asked for.
fn varied() -> (Vec<u8>, Vec<Spec>) {
    let bytes = Writer::new("llama")
        .tensor("skipped", &[3], Encoding::F32, blocks(Encoding::F32, 3, 1))
        .tensor("long", &[3, 9984], Encoding::Q4K, blocks(Encoding::Q4K, 3 * 9984, 2))
        .tensor("odd", &[200, 33], Encoding::BF16, blocks(Encoding::BF16, 200 * 33, 3))
        .tensor("gain", &[4100], Encoding::F16, blocks(Encoding::F16, 4100, 4))
        .tensor("skipped too", &[1000], Encoding::F32, blocks(Encoding::F32, 1000, 1))
        .tensor("exact", &[129, 64], Encoding::Q8_0, blocks(Encoding::Q8_0, 129 * 64, 5))
        .bytes();
    let specs = vec![matrix("exact", 129, 64), matrix("odd", 200, 33), matrix("long", 3, 9984), vector("gain", 4100)];
    (bytes, specs)
}

/// What is expected of [`varied`]: each tensor decoded and packed whole.
fn packed_whole(bytes: &[u8], memory: &Memory) -> Vec<Vec<Vec<u8>>> {
    let file = gguf::Head::new().push(bytes).unwrap().unwrap();
    let pack = |(name, layout, _): &(String, Layout, _)| {
        let entry = file.manifest.tensors.iter().find(|entry| format!("our.{}", entry.name) == *name).unwrap();
        let data = &bytes[entry.offset as usize..entry.end() as usize];
        crate::format::pack(layout, &decoded(entry.encoding, data)).unwrap()
    };
    memory.weights.iter().map(pack).collect()
}

#[test]
fn parts_and_padding_stand_where_the_layout_says() {
    let (bytes, specs) = varied();
    let specs: Vec<Spec> = specs.into_iter().filter(|spec| ["odd", "gain"].contains(&&*spec.source_name)).collect();
    for precision in [Precision::F32, Precision::F16, Precision::Q8, Precision::Q4] {
        let memory = load(&bytes, &specs, precision, 20_000, &[1000]).unwrap();
        let parts = memory.weight("our.odd").parts.len();
        assert_eq!(parts > 1, matches!(precision, Precision::F32 | Precision::F16), "{precision:?}");
        let given: Vec<_> = memory.weights.iter().map(|(_, _, parts)| parts.clone()).collect();
        assert!(given == packed_whole(&bytes, &memory), "{precision:?}");
    }
}

#[test]
fn writes_are_batched() {
    let data = blocks(Encoding::Q8_0, 4096 * 1024, 9);
    let bytes = Writer::new("llama").tensor("w", &[4096, 1024], Encoding::Q8_0, data).bytes();
    let memory = whole(&bytes, &[matrix("w", 4096, 1024)], Precision::Auto).unwrap();
    assert!((900_000..1_100_000).contains(&memory.most), "writes of up to {} bytes", memory.most);
}

#[test]
fn a_transposed_matrix_is_turned() {
    for (encoding, dtype) in [(Encoding::F32, "F32"), (Encoding::F16, "F16"), (Encoding::BF16, "BF16")] {
        let data = blocks(encoding, 50 * 39, 11);
        let bytes = safetensors::writer::file(&[("c_attn", dtype, &[50, 39], &data)]);
        let tensors = safetensors::Head::new().push(&bytes).unwrap().unwrap();
        let manifest = safetensors::manifest(br#"{"model_type": "gpt2"}"#, tensors).unwrap();
        let specs = [Spec { transposed: true, ..matrix("c_attn", 39, 50) }];
        let mut intake = intake_of(&manifest, &specs, Precision::F32, LIMIT).unwrap();
        let mut memory = Memory::default();
        intake.skip(0, manifest.tensors[0].offset).unwrap();
        for chunk in bytes[manifest.tensors[0].offset as usize..].chunks(77) {
            intake.push(0, chunk, &mut memory).unwrap();
        }
        intake.finish().unwrap();
        let (stored, turned) = (decoded(encoding, &data), memory.rows("our.c_attn"));
        for (at, value) in turned.iter().enumerate() {
            assert_eq!(*value, stored[at % 50 * 39 + at / 50], "{dtype} row {} column {}", at / 50, at % 50);
        }
    }
}

/// Tensors that make up one weight.
fn joined(name: &str, tensors: &[Spec]) -> Vec<Spec> {
    let rows = |spec: &Spec| match spec.shape {
        Shape::Matrix { outputs, .. } => outputs,
        Shape::Vector { width } => width,
    };
    let of = tensors.iter().map(rows).sum();
    let mut first = 0;
    let run = |spec: &Spec| {
        let run = Some(Run { first, of });
        first += rows(spec);
        Spec { name: name.into(), run, ..spec.clone() }
    };
    tensors.iter().map(run).collect()
}

#[test]
fn several_tensors_make_up_one_weight() {
    let shapes = [("q", 70, Encoding::Q4_0), ("k", 33, Encoding::Q4_0), ("v", 33, Encoding::Q8_0)];
    let mut writer = Writer::new("llama");
    let (mut expected, mut specs) = (Vec::new(), Vec::new());
    for (seed, (name, outputs, encoding)) in shapes.into_iter().enumerate() {
        let data = blocks(encoding, u64::from(outputs) * 96, seed as u64);
        expected.extend(decoded(encoding, &data));
        writer = writer.tensor(name, &[u64::from(outputs), 96], encoding, data);
        specs.push(matrix(name, outputs, 96));
    }
    let (mut values, mut vectors) = (Vec::new(), Vec::new());
    for (name, width) in [("q.bias", 70), ("k.bias", 33), ("v.bias", 33)] {
        let data = blocks(Encoding::F32, u64::from(width), 7);
        values.extend(decoded(Encoding::F32, &data));
        writer = writer.tensor(name, &[u64::from(width)], Encoding::F32, data);
        vectors.push(vector(name, width));
    }
    let bytes = writer.bytes();
    let specs = [joined("qkv", &specs), joined("qkv.bias", &vectors)].concat();
    for limit in [LIMIT, 6_000] {
        let memory = load(&bytes, &specs, Precision::Auto, limit, &[1000, 77]).unwrap();
        let formats: Vec<_> = memory.weight("qkv").layout.parts.iter().map(|part| part.format).collect();
        let whole = [Format::Q4, Format::Q8];
        let split = [Format::Q4, Format::Q4, Format::Q8];
        assert_eq!(formats, if limit == LIMIT { &whole[..] } else { &split[..] });
        assert!(memory.rows("qkv") == expected, "rows in parts of {limit} bytes");
        assert_eq!(memory.rows("qkv.bias"), values);
        assert_eq!(memory.weights.len(), 2);
    }
    // Of an optional vector that the file lacks, the values are zeros.
    let absent = Spec { required: false, ..vector("none", 5) };
    let specs = joined("bias", &[vectors[1].clone(), absent, vectors[2].clone()]);
    let rows = whole(&bytes, &specs, Precision::Auto).unwrap().rows("bias");
    assert!(rows[..33] == values[70..103] && rows[33..38] == [0.0; 5] && rows[38..] == values[103..]);
}

#[test]
fn tensors_of_one_weight_may_come_in_different_files() {
    let rows: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let file = |name: &str, rows: &[f32]| {
        safetensors::writer::file(&[(name, "F32", &[rows.len() as u64 / 2, 2], bytemuck::cast_slice(rows))])
    };
    let files = [file("q", &rows[..6]), file("k", &rows[6..])];
    let specs = joined("qk", &[matrix("q", 3, 2), matrix("k", 3, 2)]);
    let (mut memory, mut begun) = (Memory::default(), Catalogue::default());
    for (place, bytes) in files.iter().enumerate() {
        let tensors = safetensors::Head::new().push(bytes).unwrap().unwrap();
        let manifest = safetensors::manifest(br#"{"model_type": "llama"}"#, tensors).unwrap();
        let here = |spec: &Spec| spec.source_name == ["q", "k"][place];
        let wanted =
            Wanted { specs: &specs, here: &here, begun: &begun, precision: Precision::Auto, binding_limit: LIMIT };
        let mut intake = Intake::new(&manifest, &wanted).unwrap();
        intake.push(0, bytes, &mut memory).unwrap();
        for (name, layout) in intake.layouts() {
            begun.add(name, layout.clone());
        }
        intake.finish().unwrap();
    }
    assert_eq!((memory.rows("qk"), memory.weights.len()), (rows, 1));
}

#[test]
fn shards_come_one_after_another() {
    let files = [
        safetensors::writer::file(&[("a", "F32", &[2, 2], bytemuck::bytes_of(&[1f32, 2.0, 3.0, 4.0]))]),
        safetensors::writer::file(&[("b", "F32", &[2], bytemuck::bytes_of(&[5f32, 6.0]))]),
    ];
    let mut tensors = Vec::new();
    for (file, bytes) in files.iter().enumerate() {
        let shard = safetensors::Head::new().push(bytes).unwrap().unwrap();
        tensors.extend(shard.into_iter().map(|entry| TensorEntry { file, ..entry }));
    }
    let manifest = safetensors::manifest(br#"{"model_type": "llama"}"#, tensors).unwrap();
    let mut intake = intake_of(&manifest, &[vector("b", 2), matrix("a", 2, 2)], Precision::Auto, LIMIT).unwrap();
    let mut memory = Memory::default();
    intake.allocate(&mut memory).unwrap();
    for (file, bytes) in files.iter().enumerate() {
        intake.push(file, bytes, &mut memory).unwrap();
        // Bytes behind the last tensor, and files that hold none, are passed over.
        intake.push(file, &[0; 9], &mut memory).unwrap();
        intake.push(file + 7, &[0; 9], &mut memory).unwrap();
    }
    intake.finish().unwrap();
    assert_eq!((memory.rows("our.a"), memory.rows("our.b")), (vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0]));
    assert_eq!(memory.weights.len(), 2);
}

#[test]
fn what_does_not_fit_the_model_is_refused_before_weights_move() {
    let q3 =
        gguf::writer::Tensor { name: "q3".into(), shape: vec![2, 256], kind: 11, offset: None, data: vec![0; 220] };
    let bytes = Writer::new("llama")
        .tensor("w", &[4, 32], Encoding::F32, vec![0; 512])
        .tensor("q", &[4, 32], Encoding::Q4_0, vec![0; 72])
        .raw_tensor(q3)
        .bytes();
    let file = gguf::Head::new().push(&bytes).unwrap().unwrap();
    let refusal = |specs: &[Spec], limit| {
        intake_of(&file.manifest, specs, Precision::Auto, limit).expect_err("a refusal").to_string()
    };
    let optional = Spec { required: false, ..matrix("output.weight", 2, 2) };
    let flat = Spec { transposed: true, ..matrix("q", 32, 4) };
    let cases = [
        (refusal(&[matrix("output.weight", 2, 2)], LIMIT), "tensor output.weight is missing"),
        (refusal(&[matrix("w", 32, 4)], LIMIT), "w: has shape [4, 32], the model's settings call for [32, 4]"),
        (refusal(&[vector("w", 32)], LIMIT), "w: has shape [4, 32], the model's settings call for [32]"),
        (refusal(&[matrix("q3", 2, 256)], LIMIT), "q3: is stored as Q3_K, which is not supported; supported: F32, F16"),
        (refusal(&[matrix("w", 4, 32), vector("w", 128)], LIMIT), "tensor w is asked for twice"),
        (refusal(&[flat], LIMIT), "q: is stored transposed in Q4_0; supported: floats"),
        (refusal(&[matrix("w", 4, 32)], 300), "w: rows of 32 values in f32 need 128 bytes each"),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
    assert!(intake_of(&file.manifest, &[optional], Precision::Auto, LIMIT).unwrap().layouts().is_empty());
}

#[test]
fn a_manifest_that_lies_is_refused() {
    let entry = |name: &str, offset, bytes| TensorEntry {
        name: name.into(),
        shape: vec![1, 64],
        encoding: Encoding::Q8_0,
        file: 0,
        offset,
        bytes,
    };
    let refusal = |tensors: Vec<TensorEntry>, spec: Spec| {
        let manifest = safetensors::manifest(br#"{"model_type": "llama"}"#, tensors).unwrap();
        intake_of(&manifest, &[spec], Precision::Auto, LIMIT).unwrap_err().to_string()
    };
    let w = || matrix("w", 1, 64);
    assert_eq!(refusal(vec![entry("w", 0, 67)], w()), "w: has 67 bytes, its shape calls for 68");
    assert!(refusal(vec![entry("w", u64::MAX - 1, 68)], w()).contains("beyond any file"));
    assert!(refusal(vec![entry("w", 0, 68), entry("x", 67, 68)], w()).contains("overlap"));
    assert!(refusal(vec![entry("w", 0, 68), entry("w", 68, 68)], w()).contains("stands twice"));
    // As many values, but no whole blocks in a row.
    assert!(refusal(vec![entry("w", 0, 68)], matrix("w", 64, 1)).contains("no whole blocks"));
}

#[test]
fn an_early_end_names_the_tensor_and_how_much_of_it_came() {
    let (bytes, specs) = varied();
    let file = gguf::Head::new().push(&bytes).unwrap().unwrap();
    let odd = &file.manifest.tensors[2];
    let mut intake = intake_of(&file.manifest, &specs, Precision::Auto, LIMIT).unwrap();
    intake.push(0, &bytes[..odd.offset as usize + 100], &mut Memory::default()).unwrap();
    let error = intake.finish().unwrap_err().to_string();
    assert_eq!(error, "tensor odd is not whole: 100 of its 13200 bytes came");
    let mut intake = intake_of(&file.manifest, &specs, Precision::Auto, LIMIT).unwrap();
    assert!(intake.skip(0, odd.offset).unwrap_err().to_string().starts_with("tensor long begins at byte"));
}

#[test]
fn a_float_beyond_f16_is_named_with_its_tensor_and_the_way_out() {
    let data = bytemuck::bytes_of(&[1.0f32, -70000.0]);
    let bytes = Writer::new("llama").tensor("w", &[1, 2], Encoding::F32, data.to_vec()).bytes();
    let error = whole(&bytes, &[matrix("w", 1, 2)], Precision::Auto).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "w: holds -7e4, which f16 cannot (at most 65504); load it with --precision f32");
    assert_eq!(whole(&bytes, &[matrix("w", 1, 2)], Precision::F32).unwrap().rows("our.w"), [1.0, -70000.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn chunks_of_any_size_give_the_same_bytes(sizes in prop::collection::vec(1usize..5000, 1..20), small in 1usize..8) {
        let (bytes, specs) = varied();
        let expected = whole(&bytes, &specs, Precision::Auto).unwrap().weights;
        for sizes in [&sizes[..], &[small]] {
            prop_assert!(load(&bytes, &specs, Precision::Auto, LIMIT, sizes).unwrap().weights == expected);
        }
    }

    #[test]
    fn random_damage_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
        cut in any::<prop::sample::Index>(),
        in_head in any::<bool>(),
    ) {
        let (mut bytes, specs) = varied();
        let head = gguf::Head::new().push(&bytes).unwrap().unwrap().data_offset as usize;
        for (place, byte) in &changes {
            let place = place.index(if in_head { head } else { bytes.len() });
            bytes[place] = *byte;
        }
        // A whole file may still load, with other weights; a cut one never does.
        let _ = whole(&bytes, &specs, Precision::Q4);
        let needed = bytes.len() - 32;
        prop_assert!(whole(&bytes[..cut.index(needed)], &specs, Precision::Auto).is_err());
    }
}
