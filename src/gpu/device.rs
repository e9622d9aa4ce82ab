//! The adapter, its device and queue, and the count of everything that is made on it.

use crate::cpu::Activations;
use crate::executor::{AdapterInfo, Counts};
use crate::kernels::Tuning;
use crate::kernels::quantise::Planes;
use crate::kernels::tuning::{Features, Vendor};
use crate::{Error, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// How a GPU is opened.
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// A lower limit for one binding than the adapter's: for tests of matrices in parts.
    pub binding_limit: Option<u64>,
    /// Which kernels are used, rather than those that adapters of this kind begin with.
    pub tuning: Option<Tuning>,
    /// What activations of several rows may be turned into.
    pub activations: Activations,
}

/// A device and what was done on it.
pub struct Device {
    pub raw: wgpu::Device,
    pub queue: wgpu::Queue,
    pub adapter: wgpu::AdapterInfo,
    binding_limit: u64,
    subgroups: bool,
    packed: bool,
    activations: Activations,
    pub tally: Arc<Tally>,
    trouble: Trouble,
    /// Buffers that were asked for since the last look.
    asked: Mutex<Vec<Asked>>,
    /// How long records of chosen tokens are held back, to measure what a slow way to the host costs.
    #[cfg(not(target_arch = "wasm32"))]
    pub readback_delay: Option<std::time::Duration>,
}

/// A buffer's bytes, and whether the device turns out to have them: it says so later.
type Asked = (u64, Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>);

/// The first thing that went wrong on the device: errors come by callback, at any time.
type Trouble = Arc<Mutex<Option<Error>>>;

/// Running totals behind [`Counts`].
#[derive(Default)]
pub struct Tally {
    pub dispatches: AtomicU64,
    pub submits: AtomicU64,
    pub readbacks: AtomicU64,
    pub buffers: AtomicU64,
    pub bind_groups: AtomicU64,
    pub pipelines: AtomicU64,
    pub weight_bytes: AtomicU64,
    pub gpu_bytes: AtomicU64,
    pub gpu_bytes_peak: AtomicU64,
    /// Of the bytes that live, those that the device did not have.
    pub refused_bytes: AtomicU64,
}

impl Tally {
    pub fn add(total: &AtomicU64, more: u64) {
        total.fetch_add(more, Relaxed);
    }
}

/// A buffer that is freed when it is dropped: a browser's garbage collector would take its time.
pub struct Buffer {
    raw: wgpu::Buffer,
    tally: Arc<Tally>,
}

impl std::ops::Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.tally.gpu_bytes.fetch_sub(self.raw.size(), Relaxed);
        self.raw.destroy();
    }
}

impl Device {
    /// Takes the fastest adapter and a device with its limits for buffers, and WebGPU's defaults for all else.
    pub async fn open(options: GpuOptions) -> Result<Device> {
        let mut instance = wgpu::InstanceDescriptor::new_without_display_handle();
        instance.backends = wgpu::Backends::BROWSER_WEBGPU | wgpu::Backends::PRIMARY;
        let instance = wgpu::Instance::new(instance.with_env());
        let request = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        // Who opens WebGPU says which words its shaders may use; natively wgpu's own compiler knows this one.
        let words = instance.wgsl_language_features();
        let packed = words.contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct);
        if !packed && Planes::of(options.activations).is_some() {
            return Err(Error::Option(format!(
                "activations are {:?}; this WebGPU has no products of packed bytes; supported here: auto, f32",
                options.activations.name()
            )));
        }
        let adapter = instance
            .request_adapter(&request)
            .await
            .map_err(|error| Error::Device(format!("no GPU adapter was found: {error}")))?;
        let offered = adapter.limits();
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            max_buffer_size: offered.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("oriel"),
            required_features: adapter.features()
                & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16),
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (raw, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::Device(format!("the GPU adapter gives no device: {error}")))?;
        let subgroups = raw.features().contains(wgpu::Features::SUBGROUP) || takes_subgroups(&raw).await;
        let trouble = Trouble::default();
        watch(&raw, &trouble);
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let binding_limit = options.binding_limit.unwrap_or(most).min(most) & !3;
        Ok(Device {
            raw,
            queue,
            adapter: adapter.get_info(),
            binding_limit,
            subgroups,
            packed,
            activations: options.activations,
            tally: Arc::default(),
            trouble,
            asked: Mutex::default(),
            #[cfg(not(target_arch = "wasm32"))]
            readback_delay: None,
        })
    }

    pub fn binding_limit(&self) -> u64 {
        self.binding_limit
    }

    /// The adapter in words; the browser may keep its name to itself.
    pub fn info(&self) -> AdapterInfo {
        let kind = match self.adapter.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        };
        let name = if self.adapter.name.is_empty() { "unnamed adapter" } else { &self.adapter.name };
        AdapterInfo {
            name: name.to_string(),
            backend: format!("{:?}", self.adapter.backend),
            kind: kind.to_string(),
            driver: format!("{} {}", self.adapter.driver, self.adapter.driver_info).trim().to_string(),
            variants: String::new(),
            timestamps: self.has_timestamps(),
            subgroups: self.subgroups,
        }
    }

    /// Who made it.
    pub fn vendor(&self) -> Vendor {
        if self.adapter.device_type == wgpu::DeviceType::Cpu {
            return Vendor::Software;
        }
        let AdapterInfo { name, driver, .. } = self.info();
        Vendor::of(&format!("{name} {driver}"), self.adapter.vendor)
    }

    /// What it was opened with.
    pub fn features(&self) -> Features {
        let has = |feature| self.raw.features().contains(feature);
        let Device { subgroups, packed, activations, .. } = *self;
        Features { f16: has(wgpu::Features::SHADER_F16), subgroups, packed, activations }
    }

    /// Whether passes can be timed on the device's own clock.
    pub fn has_timestamps(&self) -> bool {
        self.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    pub fn counts(&self) -> Counts {
        let Tally { dispatches, submits, readbacks, buffers, bind_groups, pipelines, weight_bytes, .. } = &*self.tally;
        Counts {
            dispatches: dispatches.load(Relaxed),
            submits: submits.load(Relaxed),
            readbacks: readbacks.load(Relaxed),
            buffers_created: buffers.load(Relaxed),
            bind_groups_created: bind_groups.load(Relaxed),
            pipelines_created: pipelines.load(Relaxed),
            weight_bytes_read: weight_bytes.load(Relaxed),
            gpu_bytes: self.tally.gpu_bytes.load(Relaxed).saturating_sub(self.tally.refused_bytes.load(Relaxed)),
            gpu_bytes_peak: self.tally.gpu_bytes_peak.load(Relaxed),
        }
    }

    /// The first error that the device reported, if any.
    pub fn check(&self) -> Result<()> {
        match &*self.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Why a result can't be read: what was mapped by the rules and is refused all the same, at once or when it is looked
    /// at (Firefox), went with its device, whose own word may come later.
    pub fn gone(&self, refusal: &str) -> Error {
        self.check().err().unwrap_or_else(|| lost(refusal))
    }

    /// A buffer for kernels, filled with zeros.
    pub fn storage(&self, label: &str, bytes: u64) -> Buffer {
        use wgpu::BufferUsages as Usage;
        self.buffer(label, bytes, Usage::STORAGE | Usage::COPY_DST | Usage::COPY_SRC)
    }

    pub fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Buffer {
        Tally::add(&self.tally.buffers, 1);
        let size = bytes.next_multiple_of(4).max(16);
        let now = self.tally.gpu_bytes.fetch_add(size, Relaxed) + size;
        self.tally.gpu_bytes_peak.fetch_max(now, Relaxed);
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let scope = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let raw = self.raw.create_buffer(&descriptor);
        let granted = Box::pin(scope.pop());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((size, granted));
        Buffer { raw, tally: self.tally.clone() }
    }

    pub fn bind_group(&self, layout: &wgpu::BindGroupLayout, entries: &[wgpu::BindGroupEntry]) -> wgpu::BindGroup {
        Tally::add(&self.tally.bind_groups, 1);
        self.raw.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries })
    }

    pub fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) {
        self.queue.write_buffer(buffer, offset, bytes);
    }

    pub fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        Tally::add(&self.tally.submits, 1);
        self.queue.submit([encoder.finish()])
    }

    /// Waits for word of the buffers that were asked for. What the device did not have no longer counts as held.
    pub async fn hear_of_buffers(&self) -> Result<()> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut refused = 0;
        for (size, granted) in asked {
            if granted.await.is_some() {
                refused += size;
            }
        }
        if refused == 0 {
            return Ok(());
        }
        let had = self.tally.gpu_bytes.load(Relaxed).saturating_sub(refused);
        self.tally.refused_bytes.store(refused, Relaxed);
        Err(out_of_memory(&format!("it gave {} MiB and has not {} MiB more", had >> 20, refused.div_ceil(1 << 20))))
    }

    /// Waits until everything that was submitted is done.
    pub async fn settle(&self) -> Result<()> {
        self.hear_of_buffers().await?;
        let (done, wait) = futures_channel::oneshot::channel();
        self.queue.submit([]);
        self.queue.on_submitted_work_done(move || {
            let _ = done.send(());
        });
        self.poll()?;
        wait.await.map_err(|_| lost("it left work undone"))?;
        self.check()
    }

    /// Lets the callbacks of a submission run, natively by waiting for it and not for those behind it.
    pub fn poll_until(&self, submission: &wgpu::SubmissionIndex) -> Result<()> {
        poll_until(&self.raw, submission)
    }

    /// Something to wait for before a submission's results are read, where they are to be held back.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn hold_back(&self, submission: &wgpu::SubmissionIndex) -> Option<futures_channel::oneshot::Receiver<()>> {
        let (delay, raw, submission) = (self.readback_delay?, self.raw.clone(), submission.clone());
        let (done, held) = futures_channel::oneshot::channel();
        std::thread::spawn(move || {
            if poll_until(&raw, &submission).is_ok() {
                std::thread::sleep(delay);
                let _ = done.send(());
            }
        });
        Some(held)
    }

    /// A browser holds results back by itself.
    #[cfg(target_arch = "wasm32")]
    pub fn hold_back(&self, _: &wgpu::SubmissionIndex) -> Option<futures_channel::oneshot::Receiver<()>> {
        None
    }

    /// Lets callbacks run: natively by waiting for the device; a browser calls them by itself.
    pub fn poll(&self) -> Result<()> {
        match self.raw.poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Device(format!("waiting for the GPU failed: {error}"))),
        }
    }
}

impl Drop for Device {
    /// Frees what the device itself holds.
    fn drop(&mut self) {
        self.raw.destroy();
    }
}

/// Whether a browser's device takes shaders with subgroups, which wgpu 30 neither asks for nor tells of: the package's
/// worker adds them to what is asked for.
#[cfg(target_arch = "wasm32")]
async fn takes_subgroups(device: &wgpu::Device) -> bool {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let source = "enable subgroups; @compute @workgroup_size(1) fn main() { _ = subgroupAdd(1u); }";
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some("subgroups"), source: wgpu::ShaderSource::Wgsl(source.into()) };
    drop(device.create_shader_module(descriptor));
    scope.pop().await.is_none()
}

/// Natively wgpu knows.
#[cfg(not(target_arch = "wasm32"))]
async fn takes_subgroups(_: &wgpu::Device) -> bool {
    false
}

fn poll_until(device: &wgpu::Device, submission: &wgpu::SubmissionIndex) -> Result<()> {
    let wait = wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: None };
    match device.poll(wait) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Device(format!("waiting for the GPU failed: {error}"))),
    }
}

/// The error for a device that has no more memory.
fn out_of_memory(how: &str) -> Error {
    Error::Memory(format!("the GPU has not enough memory for this model and context: {how}"))
}

/// The error for a device that went away.
pub fn lost(why: &str) -> Error {
    Error::Lost(format!("the GPU was lost ({why}): load the model again"))
}

fn watch(device: &wgpu::Device, trouble: &Trouble) {
    let keep = |trouble: &Trouble, error: Error| {
        trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let seen = trouble.clone();
    device.set_device_lost_callback(move |reason, message| {
        keep(&seen, lost(&format!("{reason:?}: {message}")));
    });
    let seen = trouble.clone();
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let error = match error {
            wgpu::Error::OutOfMemory { .. } => out_of_memory("it said so while it worked"),
            other => Error::Device(format!("the GPU refused a command: {other}")),
        };
        keep(&seen, error);
    }));
}
