//! Kernels -> pipelines, each made once, with explicit layouts so that bind groups serve every pipeline.

use super::device::{Device, Tally};
use crate::format::Format;
use crate::kernels::{Binding, CacheFormat, Dispatch, Kernel};
use crate::weights::Part;
use std::collections::HashMap;

/// What tells two pipelines apart: kernel, whether it uses subgroups, workgroup, format of the matrix, format of the cache,
/// constants (as bits).
type Key = (&'static str, bool, u32, Format, CacheFormat, Vec<(&'static str, u64)>);

/// The pipelines and bind group layouts of a device.
pub struct Pipelines {
    /// Group 0: what changes from run to run.
    pub live: wgpu::BindGroupLayout,
    /// Group 1 by kernel.
    steps: HashMap<&'static str, wgpu::BindGroupLayout>,
    /// Group 2, without and with scales.
    matrices: [wgpu::BindGroupLayout; 2],
    made: HashMap<Key, wgpu::ComputePipeline>,
}

impl Pipelines {
    pub fn new(device: &Device) -> Pipelines {
        let read = entry(wgpu::BufferBindingType::Storage { read_only: true });
        Pipelines {
            live: layout(device, &[in_turn()]),
            steps: HashMap::new(),
            matrices: [layout(device, &[read(0)]), layout(device, &[read(0), read(1)])],
            made: HashMap::new(),
        }
    }

    /// Group 2 of one part of a matrix: its values, and its scales where the format has them.
    pub fn bind_matrix(&self, device: &Device, part: &Part, buffer: &wgpu::Buffer) -> wgpu::BindGroup {
        let binding = |binding: u32, start: u64, end: u64| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: start,
                size: std::num::NonZero::new(end - start),
            }),
        };
        let scaled = part.format.scale_bytes() > 0;
        let mut entries = vec![binding(0, 0, part.scales_at)];
        if scaled {
            entries.push(binding(1, part.scales_at, part.bytes));
        }
        device.bind_group(&self.matrices[usize::from(scaled)], &entries)
    }

    /// Group 1 of a kernel.
    pub fn step_layout(&mut self, device: &Device, kernel: &'static Kernel) -> &wgpu::BindGroupLayout {
        self.steps.entry(kernel.name).or_insert_with(|| step_layout(device, kernel))
    }

    /// The pipeline of a dispatch over a matrix in `format` and a cache in `cache`.
    pub fn get(
        &mut self,
        device: &Device,
        dispatch: &Dispatch,
        format: Format,
        cache: CacheFormat,
    ) -> wgpu::ComputePipeline {
        let constants = dispatch.constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
        let Kernel { name, subgroups, workgroup, .. } = *dispatch.kernel;
        // It says nothing of a kernel that has nothing to do with the cache.
        let cache = if dispatch.kernel.has_cache() { cache } else { CacheFormat::F32 };
        let key = (name, subgroups, workgroup, format, cache, constants);
        if let Some(pipeline) = self.made.get(&key) {
            return pipeline.clone();
        }
        let pipeline = self.make(device, dispatch, format, cache);
        self.made.insert(key, pipeline.clone());
        pipeline
    }

    fn make(
        &mut self,
        device: &Device,
        dispatch: &Dispatch,
        format: Format,
        cache: CacheFormat,
    ) -> wgpu::ComputePipeline {
        let kernel = dispatch.kernel;
        Tally::add(&device.tally.pipelines, 1);
        let module = device.raw.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.link(format, cache).into()),
        });
        self.step_layout(device, kernel);
        let matrix = &self.matrices[usize::from(format.scale_bytes() > 0)];
        let mut groups = vec![Some(&self.live), self.steps.get(kernel.name)];
        groups.extend(kernel.reads_matrix().then_some(Some(matrix)));
        let layout = device.raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &groups,
            immediate_size: 0,
        });
        let constants = dispatch.compiled_with();
        device.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        })
    }
}

/// Group 1 of a kernel: its parameters, and its bindings.
pub fn step_layout(device: &Device, kernel: &Kernel) -> wgpu::BindGroupLayout {
    let uniform = entry(wgpu::BufferBindingType::Uniform)(0);
    let storage = kernel.bindings.iter().enumerate().map(|(i, binding)| {
        let read_only = matches!(binding, Binding::Read(_));
        entry(wgpu::BufferBindingType::Storage { read_only })(i as u32 + 1)
    });
    layout(device, &std::iter::once(uniform).chain(storage).collect::<Vec<_>>())
}

fn entry(ty: wgpu::BufferBindingType) -> impl Fn(u32) -> wgpu::BindGroupLayoutEntry {
    move |binding| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

/// A uniform that stands at several places of a buffer, one for each run of a submit.
fn in_turn() -> wgpu::BindGroupLayoutEntry {
    let ty = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: true,
        min_binding_size: None,
    };
    wgpu::BindGroupLayoutEntry { ty, ..entry(wgpu::BufferBindingType::Uniform)(0) }
}

fn layout(device: &Device, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    device.raw.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
}
