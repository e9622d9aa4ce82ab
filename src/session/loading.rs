//! Chunks of a model's files, in order -> a [`Model`]. No weight file is ever whole in memory.

use super::assembly::Assembly;
use super::files::Found;
use super::incoming::Incoming;
use super::kept::Mark;
use super::model::Passes;
use super::speed::Speeds;
#[cfg(not(target_arch = "wasm32"))]
use super::speed::speed;
use super::text::Text;
use super::{Device, LoadOptions, Model, Tune};
#[cfg(not(target_arch = "wasm32"))]
use crate::cpu::Activations;
use crate::cpu::Machine;
use crate::executor::{AdapterInfo, Executor};
use crate::gpu::GpuOptions;
use crate::intake::Intake;
use crate::kernels::tuning::Fault;
use crate::manifest::TensorEntry;
use crate::weights::Spec;
use crate::{Error, Result, gguf};
use serde_json::Value;

/// A model on its way to the device. Dropping it frees what it holds there.
///
/// A GGUF file brings everything with it: [`begin`](Loading::begin), [`push`](Loading::push) for each chunk,
/// [`end`](Loading::end), [`finish`](Loading::finish). Safetensors come after the files beside them
/// ([`side_file`](Loading::side_file)), one after another in the order of [`wanted`](Loading::wanted).
pub struct Loading {
    options: LoadOptions,
    executor: Executor,
    notice: Option<String>,
    /// A software adapter that was measured against the processor, and what came of it.
    speeds: Option<(AdapterInfo, Speeds)>,
    incoming: Incoming,
    mark: Mark,
    /// Whether kernels are measured once the weights are there.
    measures: bool,
    /// There once the first head is whole.
    parts: Option<(Assembly, Text)>,
    /// There once the last head is.
    passes: Option<Passes>,
    /// Of the file that is coming, once its head is whole.
    intake: Option<Intake>,
}

impl Loading {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Error::Option`] for options that no model can serve; [`Error::Device`] where the GPU is asked for and there is
    /// none.
    pub async fn new(options: LoadOptions) -> Result<Loading> {
        Loading::knowing(options, &|_| None).await
    }

    /// The same; `known` tells what was measured of a software adapter before ([`speeds`](Loading::speeds)), so that it is
    /// not measured again.
    ///
    /// # Errors
    /// As [`new`](Loading::new).
    pub async fn knowing(options: LoadOptions, known: &dyn Fn(&AdapterInfo) -> Option<Speeds>) -> Result<Loading> {
        options.check()?;
        let Opened { executor, notice, speeds } = open(&options, known).await?;
        Ok(Loading { speeds, ..Loading::on(options, executor, notice) })
    }

    /// Where any device would do and the only adapter is software: that, and what was measured of both.
    pub fn speeds(&self) -> Option<&(AdapterInfo, Speeds)> {
        self.speeds.as_ref()
    }

    /// On a machine that the caller brings: on the web, a module of its own.
    ///
    /// # Errors
    /// [`Error::Option`] for options that no model can serve.
    pub fn on_machine(options: LoadOptions, machine: Box<dyn Machine>) -> Result<Loading> {
        options.check()?;
        Ok(Loading::on(options, Executor::cpu(machine, options.activations), None))
    }

    fn on(options: LoadOptions, executor: Executor, notice: Option<String>) -> Loading {
        Loading {
            options,
            executor,
            notice,
            speeds: None,
            incoming: Incoming::default(),
            mark: Mark::new(),
            measures: false,
            parts: None,
            passes: None,
            intake: None,
        }
    }

    /// What computes.
    pub fn adapter(&self) -> AdapterInfo {
        self.executor.adapter()
    }

    /// The adapter by the name that a page knows it by. It comes before [`tune`](Loading::tune).
    pub fn rename_adapter(&mut self, name: &str) {
        self.executor.rename(name);
    }

    /// Says how kernels are chosen, before any file. Without a word it is by what adapters of this kind begin with.
    ///
    /// # Errors
    /// [`Error::Option`] where a tuning that is to be used is not understood, or can't be used here; where files came.
    pub fn tune(&mut self, tune: &Tune) -> Result<()> {
        if self.parts.is_some() {
            return Err(Error::Option("tuning: a file came already; expected before it".into()));
        }
        let on_gpu = self.executor.tuning().is_some();
        self.measures = on_gpu && matches!(tune, Tune::Measure(_));
        match tune {
            Tune::Measure(Some(kept)) if on_gpu => {
                if !self.executor.knows(kept) || self.executor.take_tuning(kept).is_err() {
                    self.note("the tuning that was kept is damaged, of another version or of other activations: kernels are measured again");
                }
                if let Some(lost) = self.executor.left_out_for(Fault::Lost) {
                    self.note(&format!("kernels are left out that earlier loads did not survive: {lost}"));
                }
                Ok(())
            }
            Tune::Given(tuning) if on_gpu => {
                self.executor.take_tuning(tuning)?;
                if !self.executor.knows(tuning) {
                    self.note("the tuning that was given was not measured on this adapter with this version");
                }
                Ok(())
            }
            Tune::Given(_) => {
                Err(Error::Option("tuning: there are no kernels to choose where the CPU computes".into()))
            }
            Tune::Measure(_) | Tune::Start => Ok(()),
        }
    }

    fn note(&mut self, what: &str) {
        self.notice = Some(self.notice.take().map_or(what.into(), |before| format!("{before}; {what}")));
    }

    /// A whole file from beside safetensors weights: one of [`SIDE_FILES`](super::SIDE_FILES), by its last name.
    pub fn side_file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.incoming.side_file(name, bytes)
    }

    /// The weight files to come, in order, by the index if there is one. None without side files: a GGUF file may have
    /// any name.
    pub fn wanted(&self) -> Vec<String> {
        self.incoming.wanted()
    }

    /// A weight file begins. `length` in bytes, where it is known, lets a truncated file be refused by its head.
    pub fn begin(&mut self, name: &str, length: Option<u64>) -> Result<()> {
        self.incoming.begin(name, length)
    }

    /// The file's next bytes: any number of them.
    ///
    /// # Errors
    /// Each names the file. Whatever the head tells to be wrong is said as soon as the head is whole: an architecture or
    /// encoding that is not supported, a tensor that is missing or of another shape, too little memory.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let (file, before) = (self.incoming.file(), self.incoming.seen());
        self.mark.see(before, bytes);
        if let Some(found) = self.incoming.push(bytes)? {
            // The chunks before this one held nothing but the head.
            let mut intake = self.open_head(found)?;
            intake.skip(file, before).map_err(|error| self.incoming.at_file(error))?;
            self.intake = Some(intake);
        }
        let (Some(intake), Some((assembly, _))) = (&mut self.intake, &mut self.parts) else { return Ok(()) };
        let taken = intake.push(file, bytes, &mut assembly.keeping(&mut self.executor));
        taken.map_err(|error| self.incoming.at_file(error))
    }

    /// Waits until the device has taken what was pushed, so that a fast source does not fill memory with what is still
    /// to be copied. Worth calling every few MiB.
    pub async fn settle(&mut self) -> Result<()> {
        self.executor.settle().await
    }

    /// Bytes that the device has given so far.
    pub fn held_bytes(&self) -> u64 {
        self.executor.counts().gpu_bytes
    }

    /// The file ends.
    ///
    /// # Errors
    /// [`Error::File`] names the file, and what of it is missing.
    pub fn end(&mut self) -> Result<()> {
        self.incoming.end()?;
        match self.intake.take() {
            Some(intake) => intake.finish().map_err(|error| self.incoming.at_file(error)),
            None => Ok(()),
        }
    }

    /// All files have come; what was compiled meanwhile is waited for, and kernels are measured where that was asked for.
    ///
    /// # Errors
    /// [`Error::File`] where a file is missing; what the device refused.
    pub async fn finish(self) -> Result<Model> {
        self.finish_keeping(&async |_| ()).await
    }

    /// The same. A kernel may take the device with it, or the whole tab: so before each is tried, `keep` is given the
    /// tuning that is right in that case, for the next load ([`Tune::Measure`]); and at last the one that was measured.
    ///
    /// # Errors
    /// As [`finish`](Loading::finish).
    pub async fn finish_keeping(mut self, keep: &impl AsyncFn(Value)) -> Result<Model> {
        self.incoming.finish()?;
        let (Some((mut assembly, text)), Some(passes)) = (self.parts, self.passes) else {
            return Err(Error::File("no weight file came".into()));
        };
        assembly.fill_constants(&mut self.executor)?;
        self.executor.weights_are_whole()?;
        self.executor.settle().await?;
        let mut model = Model::new(self.executor, (assembly, text), passes, (self.notice, self.mark));
        model.learn_latency().await?;
        if self.measures {
            model.measure(Some(TUNING_S), keep).await?;
            if let Some(tuning) = model.tuning().filter(|_| !model.tuned().is_empty()) {
                keep(tuning).await;
            }
        }
        Ok(model)
    }

    /// Makes room for the weights of the file whose head is whole. With the last head comes all else that the model needs: a
    /// context that does not fit is refused ahead of the weights, and no size of the model is trusted before its tensors
    /// bear it out. So a browser compiles while weights come.
    fn open_head(&mut self, found: Found) -> Result<Intake> {
        let intake = match found {
            Found::Gguf(file) => self.open_gguf(*file).map_err(|error| self.incoming.at_file(error))?,
            Found::Safetensors(entries) => self.open_shard(entries)?,
        };
        if let Some((assembly, _)) = &mut self.parts
            && self.incoming.is_last()
        {
            let made = prepare(&mut self.executor, assembly);
            self.passes = Some(made.map_err(|error| self.incoming.at_file(error))?);
        }
        Ok(intake)
    }

    fn open_gguf(&mut self, file: gguf::File) -> Result<Intake> {
        let mut assembly = Assembly::new(&file.manifest, self.options)?;
        let text = Text::from_gguf(file.vocabulary, file.chat_template.as_deref())?;
        let intake =
            assembly.make_room(&file.manifest, &|_| true, self.executor.binding_limit(), &mut self.executor)?;
        self.parts = Some((assembly, text));
        Ok(intake)
    }

    /// A file of safetensors: one of several, or the only one.
    fn open_shard(&mut self, mut entries: Vec<TensorEntry>) -> Result<Intake> {
        let file = self.incoming.file();
        entries.iter_mut().for_each(|entry| entry.file = file);
        let shard = self.incoming.side.manifest(entries)?;
        let (mut assembly, text) = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let assembly = Assembly::new(&self.incoming.side.announced(&shard), self.options);
                let assembly = assembly.map_err(|error| self.incoming.side.at_folder(error))?;
                self.incoming.side.check_announced(&assembly.specs)?;
                (assembly, Text::from_side_files(&mut self.incoming.side)?)
            }
        };
        let here = |spec: &Spec| self.incoming.side.may_hold(file, &spec.source_name);
        let intake = assembly.make_room(&shard, &here, self.executor.binding_limit(), &mut self.executor);
        self.parts = Some((assembly, text));
        intake.map_err(|error| self.incoming.at_file(error))
    }
}

/// Seconds for a measurement at load.
const TUNING_S: f64 = 1.0;

/// Makes what running a model takes beside its weights.
fn prepare(executor: &mut Executor, assembly: &mut Assembly) -> Result<Passes> {
    executor.allocate_cache(assembly.cache(), assembly.cache_format())?;
    assembly.add_constants(executor.binding_limit(), executor)?;
    Passes::prepare(executor, assembly)
}

/// A device, and how it came to be this one.
struct Opened {
    executor: Executor,
    notice: Option<String>,
    speeds: Option<(AdapterInfo, Speeds)>,
}

impl From<Executor> for Opened {
    fn from(executor: Executor) -> Opened {
        Opened { executor, notice: None, speeds: None }
    }
}

/// The device that is asked for; where any will do, a GPU that is one, else the faster of a software adapter and the
/// processor, and the reason.
#[cfg_attr(target_arch = "wasm32", expect(unused_variables, reason = "the page remembers"))]
async fn open(options: &LoadOptions, known: &dyn Fn(&AdapterInfo) -> Option<Speeds>) -> Result<Opened> {
    match options.device {
        Device::Gpu if options.threads.is_some() => {
            Err(Error::Option("threads are the processor's; the device that is asked for is the GPU".into()))
        }
        Device::Gpu => Ok(gpu(options).await?.into()),
        #[cfg(not(target_arch = "wasm32"))]
        Device::Cpu => Ok(processor(options)?.into()),
        #[cfg(not(target_arch = "wasm32"))]
        Device::Reference if options.threads.is_some() || options.activations != Activations::Auto => {
            Err(Error::Option(
                "threads are the processor's, and activations its or the GPU's; the reference has one thread and f32"
                    .into(),
            ))
        }
        #[cfg(not(target_arch = "wasm32"))]
        Device::Reference => Ok(Executor::reference().into()),
        #[cfg(not(target_arch = "wasm32"))]
        Device::Auto => {
            let opened = match gpu(options).await {
                Ok(executor) if executor.adapter().kind != "software" => Ok(executor.into()),
                // A rasteriser that fails while it is measured is as good as none.
                Ok(executor) => faster(options, executor, known).await,
                Err(error) => Err(error),
            };
            opened.or_else(|error| {
                let notice = Some(format!("runs on the processor: {error}"));
                Ok(Opened { executor: processor(options)?, notice, speeds: None })
            })
        }
        #[cfg(target_arch = "wasm32")]
        _ => Err(Error::Option("the page chooses the device, and brings the machine for the processor".into())),
    }
}

/// A rasteriser or the processor: a rasteriser computes on the processor as well, so measuring has to tell which is faster.
#[cfg(not(target_arch = "wasm32"))]
async fn faster(
    options: &LoadOptions,
    mut rasteriser: Executor,
    known: &dyn Fn(&AdapterInfo) -> Option<Speeds>,
) -> Result<Opened> {
    let adapter = rasteriser.adapter();
    let speeds = match known(&adapter) {
        Some(speeds) => speeds,
        None => {
            let mut speeds = Speeds { adapter: 0.0, processor: 0.0 };
            // That software beats the processor has to show twice, as it is kept: then over one thread, as a team on a busy
            // machine waits for those of its threads that have no core.
            for threads in [options.threads, Some(1)] {
                let options = LoadOptions { threads, ..*options };
                let (adapter, processor) = (speed(&mut rasteriser).await?, speed(&mut processor(&options)?).await?);
                speeds = speeds.or_better(Speeds { adapter, processor });
                if !speeds.adapter_wins() {
                    break;
                }
                // What was measured with stays on the device: a model gets one of its own.
                rasteriser = gpu(&options).await?;
            }
            speeds
        }
    };
    let (place, executor) = match speeds.adapter_wins() {
        true => ("a software adapter", rasteriser),
        false => ("the processor", processor(options)?),
    };
    let notice = Some(format!("runs on {place}: {}, which is software, {speeds}", adapter.name));
    Ok(Opened { executor, notice, speeds: Some((adapter, speeds)) })
}

async fn gpu(options: &LoadOptions) -> Result<Executor> {
    Executor::gpu(GpuOptions { activations: options.activations, ..GpuOptions::default() }).await
}

#[cfg(not(target_arch = "wasm32"))]
fn processor(options: &LoadOptions) -> Result<Executor> {
    let machine = crate::cpu::Native::new(options.threads, None)?;
    Ok(Executor::cpu(Box::new(machine), options.activations))
}
