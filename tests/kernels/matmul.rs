//! Matrices times one row and several, in every format, team and tile, against the reference.

use crate::{Bench, HALVES_TOLERANCE, NO_CACHE, SMALL_BINDING, TOLERANCE, agree, agree_within, plan};
use oriel::cpu::Activations;
use oriel::executor::{Executor, Readback};
use oriel::format::Format;
use oriel::fuse::fuse;
use oriel::gpu::GpuOptions;
use oriel::kernels::Tuning;
use oriel::kernels::matmul::Tile;
use oriel::kernels::matvec::Team;
use oriel::kernels::quantise::Planes;
use oriel::kernels::tuning::{Choice, Features, Kind};
use oriel::plan::Activation;
use pollster::block_on;

fn tuned(tuning: Tuning, binding_limit: Option<u64>) -> Bench {
    let activations = asked_for(tuning.matmul.usual);
    Bench::with(GpuOptions { tuning: Some(tuning), binding_limit, activations })
}

/// Activations for which a tile may be taken.
fn asked_for(tile: Tile) -> Activations {
    if tile.planes() == Some(Planes::One) { Activations::Int8 } else { Activations::Auto }
}

/// Those that the adapter can take.
fn tiles() -> impl Iterator<Item = Tile> {
    let features = tuned(Tuning::default(), None).executors[0].features();
    assert!(features.packed, "wgpu's own compiler knows products of packed bytes");
    let available = move |tile: &Tile| tile.is_available(Features { activations: asked_for(*tile), ..features });
    Tile::ALL.iter().copied().filter(available)
}

/// How far products of whole numbers may be from the reference, for each root of the inputs, as on the processor: a number
/// of 16 bits is half a step of 32,639 off, one of eight half a step of 127.
fn bound(planes: Planes) -> f32 {
    if planes == Planes::Two { 1e-4 } else { 1e-2 }
}

/// Inputs that planes can't hold exactly; those that they can are in the tests of every tile.
#[test]
fn whole_numbers_are_as_near_as_their_bits() {
    for (tile, planes) in tiles().filter_map(|tile| Some((tile, tile.planes()?))) {
        let mut bench = tuned(Tuning::default().with_tile(tile), None);
        for format in [Format::Q4, Format::Q8] {
            for (outputs, inputs, rows) in [(3, 33, 9), (67, 127, 65), (33, 1000, 31)] {
                let matrix = bench.matrix(format, outputs, inputs);
                let (plan, x, y) = plan(&bench, rows, NO_CACHE, inputs, |p, x| p.matmul("y", x, matrix));
                let (apart, greatest) = bench.apart(&plan, &[x], y, rows, 0);
                let most = bound(planes) * (inputs as f32).sqrt();
                assert!(apart <= most && greatest > 1.0, "{} {format:?} {inputs}: {apart} of {greatest}", tile.name());
                // A mean square of the steps that are lost, so that a plane which is left out is found.
                let least = if planes == Planes::Two { 1e-7 } else { 1e-4 };
                assert!(apart > least, "{} {format:?} {inputs}: {apart} apart", tile.name());
            }
        }
    }
}

#[test]
fn activations_say_which_tiles_may_be_taken() {
    let names = |activations| {
        let gpu = Executor::gpu(GpuOptions { activations, ..GpuOptions::default() });
        let features = block_on(gpu).unwrap().features();
        Tuning::default().available(Kind::Matmul, features)
    };
    let (auto, f32) = (names(Activations::Auto), names(Activations::F32));
    assert!(auto.contains(&"64x64 int16") && auto.contains(&"lane") && !auto.contains(&"lane int8"), "{auto:?}");
    assert!(f32.contains(&"lane") && f32.iter().all(|name| !name.contains("int")), "{f32:?}");
    assert_eq!(names(Activations::Int16), ["64x64 int16", "lane int16"]);
    assert_eq!(names(Activations::Int8), ["64x64 int8", "lane int8"]);
    let refused = Executor::gpu(GpuOptions {
        tuning: Some(Tuning::default().with_tile(Tile::LaneInt8)),
        ..GpuOptions::default()
    });
    let error = block_on(refused).err().unwrap().to_string();
    assert!(error.contains("can't take \"lane int8\", with activations auto; available: 32x32"), "{error}");
}

/// A value beyond the largest half is taken for that one.
#[test]
fn large_inputs_of_halves_stay_finite() {
    for tile in tiles().filter(|tile| tile.name().ends_with("f16")) {
        let mut bench = tuned(Tuning::default().with_tile(tile), None);
        let matrix = bench.matrix(Format::F16, 5, 32);
        let (plan, x, y) = plan(&bench, 9, NO_CACHE, 32, |p, x| p.matmul("y", x, matrix));
        let prepared = bench.prepare(&plan);
        let results = [1e6f32, 65504.0].map(|value| {
            let gpu = &mut bench.executors[0];
            gpu.write_tensor(prepared[0], x.tensor, &[value; 32 * 9]);
            gpu.run(prepared[0], &[0; 9], 0, Readback::Nothing).unwrap();
            block_on(gpu.read_tensor(prepared[0], y.tensor)).unwrap()
        });
        assert!(results[0].iter().all(|value| value.is_finite() && *value != 0.0));
        assert_eq!(results[0], results[1], "{tile:?}");
    }
}

/// Rows in use around the edges of tiles, of a plan with room for more.
const ROWS: [u32; 19] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 128, 129];

#[test]
fn several_rows_in_every_format_and_tile() {
    for tile in tiles() {
        let mut bench = tuned(Tuning::default().with_tile(tile), Some(SMALL_BINDING));
        let halves = tile.name().ends_with("f16");
        for format in Format::ALL {
            // The widest matrix is there for its parts.
            for (outputs, inputs, room, used) in
                [(3, 33, 130, &ROWS[..]), (67, 127, 130, &[65, 129]), (600, 64, 33, &[2, 33])]
            {
                let matrix = bench.matrix(format, outputs, inputs);
                let (plan, x, y) = plan(&bench, room, NO_CACHE, inputs, |p, x| p.matmul("y", x, matrix));
                let prepared = bench.prepare(&plan);
                for &rows in used {
                    let what = format!("{} {format:?} {outputs} x {inputs}, {rows} rows", tile.name());
                    bench.rounding = tile.planes().filter(|_| tile.suits(format));
                    let tolerance = if halves && format != Format::F32 { HALVES_TOLERANCE } else { TOLERANCE };
                    agree_within(tolerance, &what, bench.apart_of(prepared, &plan, &[x], y, rows, 0));
                }
            }
        }
        let parts = bench.catalogue.iter().map(|(_, layout)| layout.parts.len()).max();
        assert!(parts > Some(1), "a matrix in several parts is covered");
    }
}

/// Teams of every size, from one row to as many as they take and one more; a plan that has room for no more, too.
#[test]
fn few_rows_in_every_format_and_team() {
    for &team in Team::ALL {
        let mut bench = tuned(Tuning::default().with_team(team), Some(SMALL_BINDING));
        for format in Format::ALL {
            for (outputs, inputs, room, used) in
                [(3, 33, 9, &[1, 2, 3, 4, 5, 6, 7, 8, 9][..]), (127, 300, 9, &[3, 8, 9]), (600, 64, 8, &[2, 7, 8])]
            {
                let (matrix, bias) = (bench.matrix(format, outputs, inputs), bench.vector(outputs));
                let (plan, x, y) = plan(&bench, room, NO_CACHE, inputs, |p, x| {
                    let y = p.matmul("y", x, matrix);
                    p.bias("biased", y, Some(bias))
                });
                let plan = fuse(&plan, &bench.catalogue);
                let prepared = bench.prepare(&plan);
                for &rows in used {
                    let what = format!("{team:?} {format:?} {outputs} x {inputs}, {rows} rows of {room}");
                    agree(&what, bench.apart_of(prepared, &plan, &[x], y, rows, 0));
                }
            }
        }
    }
}

/// A run of few rows and one of many are each one dispatch, in every tile, and one more before it for whole numbers.
#[test]
fn rows_are_multiplied_once() {
    for tile in tiles() {
        let mut bench = tuned(Tuning::default().with_tile(tile), None);
        let matrix = bench.matrix(Format::Q8, 40, 64);
        let (plan, x, _) = plan(&bench, 40, NO_CACHE, 64, |p, x| p.matmul("y", x, matrix));
        let prepared = bench.prepare(&plan)[0];
        let gpu = &mut bench.executors[0];
        gpu.write_tensor(prepared, x.tensor, &[0.0; 64]);
        for rows in [1, 2, 8, 9, 40] {
            let before = gpu.counts().dispatches;
            gpu.run(prepared, &vec![0; rows], 0, Readback::Nothing).unwrap();
            let lane = matches!(tile, Tile::LaneInt16 | Tile::LaneInt8);
            let whole = tile.planes().is_some() && (lane || rows > 8);
            assert_eq!(gpu.counts().dispatches - before, 1 + u64::from(whole), "{tile:?}, {rows} rows");
        }
        block_on(gpu.settle()).unwrap();
    }
}

#[test]
fn one_row_in_every_format() {
    for team in [Team::T1, Team::T16, Team::S32, Team::S64] {
        let mut bench = tuned(Tuning::default().with_team(team), Some(SMALL_BINDING));
        for format in Format::ALL {
            for (outputs, inputs) in [(1, 1), (3, 33), (127, 100), (600, 96)] {
                let matrix = bench.matrix(format, outputs, inputs);
                let (plan, x, y) = plan(&bench, 1, NO_CACHE, inputs, |p, x| p.matmul("y", x, matrix));
                let what = format!("{team:?} {format:?} {outputs} x {inputs}");
                agree(&what, bench.apart(&plan, &[x], y, 1, 0));
            }
        }
    }
}

/// Teams of every size, so that each divides the lanes and the blocks in another way.
#[test]
fn norms_and_gates_in_matmuls_of_one_row() {
    for &team in Team::ALL {
        let mut bench = tuned(Tuning::default().with_team(team), None);
        for (format, inputs, hidden) in
            [(Format::F32, 33, 5), (Format::F16, 576, 30), (Format::Q8, 100, 17), (Format::Q4, 1000, 64)]
        {
            let (gain, shift) = (bench.vector(inputs), bench.vector(inputs));
            let (matrix, bias) = (bench.matrix(format, 2 * hidden, inputs), bench.vector(2 * hidden));
            for (norm, with_bias, gated) in [
                (0, true, false),
                (1, false, false),
                (2, true, false),
                (0, false, true),
                (1, true, true),
                (2, true, true),
            ] {
                let (plain, x, y) = plan(&bench, 1, NO_CACHE, inputs, |p, x| {
                    let h = match norm {
                        0 => x,
                        1 => p.rms_norm("h", x, gain, 1e-5),
                        _ => p.layer_norm("h", x, gain, shift, 1e-5),
                    };
                    let a = p.matmul("a", h, matrix);
                    let a = p.bias("biased", a, with_bias.then_some(bias));
                    if !gated {
                        return p.activate("y", a, Activation::GeluTanh);
                    }
                    let [gate, up] = p.split(a, [hidden, hidden]);
                    let y = p.activate("y", gate, Activation::Silu);
                    p.multiply_into(y, up);
                    y
                });
                let fused = fuse(&plain, &bench.catalogue);
                assert_eq!(fused.steps.len(), 1, "a matmul: {}", fused.describe(&bench.catalogue));
                let what = format!("team {team:?}, {format:?}, norm {norm}, bias {with_bias}, gated {gated}");
                agree(&what, bench.apart(&fused, &[x], y, 1, 0));
                let values = bench.random.values(inputs as usize);
                let cpu = &mut bench.executors[1];
                let results = [&plain, &fused].map(|plan| {
                    let prepared = cpu.prepare(plan, &bench.catalogue).unwrap();
                    cpu.write_tensor(prepared, x.tensor, &values);
                    cpu.run(prepared, &[0], 0, Readback::Nothing).unwrap();
                    block_on(cpu.read_tensor(prepared, y.tensor)).unwrap()
                });
                assert_eq!(results[0], results[1], "{what}: fused and plain on the reference");
            }
        }
    }
}
