//! Every shader is valid WGSL, binds what its face says, and fits WebGPU's default limits.

use naga::back::PipelineConstants;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess, TypeInner};
use oriel::format::Format;
use oriel::kernels::matmul::Tile;
use oriel::kernels::tuning::Choice;
use oriel::kernels::{self, Binding, CacheFormat, Kernel, Tuning};
use oriel::plan::{Builder, CacheShape};
use oriel::weights::{Catalogue, Layout, Shape};

/// The kernel with every format of its matrix and of the cache, parsed and validated.
fn each(check: impl Fn(&Kernel, Format, &Module, &ModuleInfo)) {
    for kernel in kernels::ALL.iter().chain(kernels::WITH_SUBGROUPS) {
        for format in Format::ALL.into_iter().filter(|format| kernel.takes(*format)) {
            for cache in CacheFormat::ALL {
                let (module, info) = parse(kernel, &kernel.link(format, cache));
                check(kernel, format, &module, &info);
            }
        }
    }
}

fn parse(kernel: &Kernel, source: &str) -> (Module, ModuleInfo) {
    let path = format!("shaders/{}.wgsl", kernel.name);
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(source, &path)));
    let mut capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    capabilities.set(Capabilities::SUBGROUP, kernel.subgroups);
    capabilities.set(Capabilities::SHADER_FLOAT16, kernel.needs_halves());
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(source, &path)));
    (module, info)
}

/// Bindings of a group that the entry point uses, in order: number, name, space.
fn bound(module: &Module, info: &ModuleInfo, group: u32) -> Vec<(u32, String, AddressSpace)> {
    let mut found: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(handle, variable)| {
            let slot = variable.binding.as_ref().filter(|slot| slot.group == group)?;
            let name = variable.name.clone().expect("a binding has a name");
            assert!(!info.get_entry_point(0)[handle].is_empty(), "{name} is bound but unused");
            Some((slot.binding, name, variable.space))
        })
        .collect();
    found.sort_by_key(|found| found.0);
    found
}

fn storage(number: usize, name: &str, access: StorageAccess) -> (u32, String, AddressSpace) {
    (number as u32, name.to_string(), AddressSpace::Storage { access })
}

#[test]
fn bindings_are_in_step_with_the_faces() {
    each(|kernel, format, module, info| {
        let params = (0, "params".to_string(), AddressSpace::Uniform);
        let said = kernel.bindings.iter().enumerate().map(|(i, binding)| match binding {
            Binding::Read(name) => storage(i + 1, name, StorageAccess::LOAD),
            Binding::Write(name) => storage(i + 1, name, StorageAccess::LOAD | StorageAccess::STORE),
        });
        let said: Vec<_> = std::iter::once(params).chain(said).collect();
        assert_eq!(bound(module, info, 1), said, "shaders/{0}.wgsl and its face disagree", kernel.name);

        let live = bound(module, info, 0);
        assert!(live.iter().all(|found| found == &(0, "live".to_string(), AddressSpace::Uniform)), "{}", kernel.name);

        let mut matrix = Vec::new();
        if kernel.reads_matrix() {
            matrix.push(storage(0, "weights", StorageAccess::LOAD));
            if format.scale_bytes() > 0 {
                matrix.push(storage(1, "scales", StorageAccess::LOAD));
            }
        }
        assert_eq!(bound(module, info, 2), matrix, "{} over {}", kernel.name, format.name());
    });
}

#[test]
fn params_are_in_step_with_the_faces() {
    each(|kernel, _, module, _| assert_eq!(fields(kernel, module, "params"), kernel.params, "{}: Params", kernel.name));
}

/// Names and types of the members of a struct that is bound.
fn fields<'a>(kernel: &Kernel, module: &'a Module, variable: &str) -> Vec<(&'a str, &'static str)> {
    let mut variables = module.global_variables.iter().map(|(_, variable)| variable);
    let bound = variables.find(|bound| bound.name.as_deref() == Some(variable)).expect("the struct is bound");
    let TypeInner::Struct { members, .. } = &module.types[bound.ty].inner else { panic!("{variable} is a struct") };
    let field = |member: &'a naga::StructMember| {
        let TypeInner::Scalar(scalar) = module.types[member.ty].inner else {
            panic!("{}: {variable} holds scalars only", kernel.name)
        };
        let name = match scalar.kind {
            naga::ScalarKind::Uint => "u32",
            naga::ScalarKind::Float => "f32",
            other => panic!("{}: {variable} holds u32 and f32 only, not {other:?}", kernel.name),
        };
        (member.name.as_deref().expect("a member has a name"), name)
    };
    members.iter().map(field).collect()
}

#[test]
fn the_options_of_the_sampler_are_in_step_with_their_shader() {
    for kernel in [kernels::choose::CHOOSE, kernels::choose::CHOOSE_PARTIALS, kernels::choose::CHOOSE_PARTIALS_LANE] {
        let (module, _) = parse(&kernel, &kernel.link(Format::F32, CacheFormat::F32));
        assert_eq!(fields(&kernel, &module, "sampling"), kernels::choose::Sampling::FIELDS);
    }
}

#[test]
fn kernels_fit_the_default_limits() {
    each(|kernel, _, module, info| {
        let constants = [("WORKGROUP".to_string(), f64::from(kernel.workgroup))].into_iter().collect();
        fits(kernel, module, info, &constants, kernel.workgroup);
    });
}

/// Compiled with `constants`, the kernel has that many invocations and is within WebGPU's default limits.
fn fits(kernel: &Kernel, module: &Module, info: &ModuleInfo, constants: &PipelineConstants, lanes: u32) {
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) = naga::back::pipeline_constants::process_overrides(module, info, entry, constants)
        .unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("types have layouts");
    let used = |handle: naga::Handle<naga::GlobalVariable>| !info.get_entry_point(0)[handle].is_empty();
    let shared: u32 = module
        .global_variables
        .iter()
        .filter(|(handle, variable)| variable.space == AddressSpace::WorkGroup && used(*handle))
        .map(|(_, variable)| layouter[variable.ty].size)
        .sum();
    let invocations: u32 = module.entry_points[0].workgroup_size.iter().product();
    let buffers = module.global_variables.iter().filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. }));
    assert_eq!(invocations, lanes, "{}", kernel.name);
    assert!(invocations <= 256, "{}: {invocations} invocations", kernel.name);
    assert!(shared <= 16_384, "{}: {shared} bytes of workgroup memory", kernel.name);
    assert!(buffers.count() <= 8, "{}: storage buffers", kernel.name);
}

/// Every tile of a matmul, with the constants that it is compiled with.
#[test]
fn tiles_fit_the_default_limits() {
    let mut catalogue = Catalogue::default();
    let layout = Layout::new(Format::Q4, Shape::Matrix { outputs: 100, inputs: 64 }, 1 << 27).expect("a layout");
    let matrix = catalogue.add("matrix", layout);
    let mut builder = Builder::new(&catalogue, 200, CacheShape { layers: 0, kv_heads: 1, head_width: 2, context: 200 });
    let x = builder.input("x", 64);
    let y = builder.matmul("y", x, matrix);
    let plan = builder.finish(y);
    for &tile in Tile::ALL {
        let tuning = Tuning::default().with_tile(tile);
        for dispatch in
            kernels::lower(&plan, &catalogue, &plan.steps[0], &tuning, CacheFormat::F32).expect("dispatches")
        {
            let (module, info) = parse(dispatch.kernel, &dispatch.kernel.link(Format::Q4, CacheFormat::F32));
            let constants = dispatch.compiled_with();
            let lanes = constants.iter().find(|(name, _)| *name == "WORKGROUP").expect("a workgroup").1;
            let constants = constants.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
            fits(dispatch.kernel, &module, &info, &constants, lanes as u32);
        }
    }
}

#[test]
fn every_shader_has_a_face() {
    let mut files: Vec<String> = std::fs::read_dir("shaders")
        .expect("the folder shaders")
        .map(|entry| entry.expect("an entry of shaders").path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().expect("a stem").to_string_lossy().into_owned())
        .collect();
    files.sort();
    let faces: Vec<_> = kernels::ALL.iter().map(|kernel| kernel.name).collect();
    assert_eq!(files, faces);
}

#[test]
fn a_face_that_disagrees_with_its_shader_is_found() {
    let swapped =
        kernels::rms_norm::KERNEL.source.replace("@binding(1)", "@binding(9)").replace("@binding(2)", "@binding(1)");
    let source = swapped.replace("@binding(9)", "@binding(2)");
    let kernel = Kernel { source: Box::leak(source.into_boxed_str()), ..kernels::rms_norm::KERNEL };
    let (module, info) = parse(&kernel, &kernel.link(Format::F32, CacheFormat::F32));
    let names: Vec<_> = bound(&module, &info, 1).into_iter().map(|found| found.1).collect();
    assert_eq!(names, ["params", "gain", "x", "y"], "the check sees the order of the shader, not of the face");
}
