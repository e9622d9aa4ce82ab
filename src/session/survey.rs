//! The heads of a model's files -> what it is and what it would take, without its weights and without a device.

use super::assembly::{Assembly, Bound, FormatUse, tensor_bytes};
use super::files::Found;
use super::incoming::Incoming;
use super::text::Text;
use super::{Device, LoadOptions};
use crate::kernels::{CACHE_TILE, CacheFormat, attention};
use crate::manifest::{Manifest, TensorEntry};
use crate::models::ModelShape;
use crate::plan::CacheShape;
use crate::weights::{Layout, Sink, WeightId};
use crate::{Result, gguf};

/// The heads of a model's files as they come. Fed like [`Loading`](super::Loading), but each weight file only until
/// [`push`](Heads::push) says that its head is whole.
#[derive(Default)]
pub struct Heads {
    incoming: Incoming,
    gguf: Option<Box<gguf::File>>,
    tensors: Vec<TensorEntry>,
}

/// What a model is and what it would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The architecture, by its name in the checkpoint.
    pub architecture: String,
    /// The sizes of the model.
    pub shape: ModelShape,
    /// The tensors that stand in the files, used or not.
    pub tensors: Vec<TensorEntry>,
    /// Weights as they would stand on the device, by format.
    pub formats: Vec<FormatUse>,
    /// Positions that room would be made for.
    pub context: u32,
    /// Positions that the model was trained for, or fewer where the device cannot bind their cache.
    pub greatest_context: u32,
    /// Bytes of weights and constants on the device.
    pub weight_bytes: u64,
    /// Bytes of them that a token reads.
    pub token_bytes: u64,
    /// How the cache of keys and values is held.
    pub cache: CacheFormat,
    /// Bytes of the cache of keys and values.
    pub cache_bytes: u64,
    /// Bytes on the device: weights, cache, and the passes' intermediate tensors.
    pub gpu_bytes: u64,
}

impl Heads {
    /// A whole file from beside safetensors weights.
    pub fn side_file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.incoming.side_file(name, bytes)
    }

    /// The weight files whose heads are wanted, in order; none for a GGUF file, which may have any name.
    pub fn wanted(&self) -> Vec<String> {
        self.incoming.wanted()
    }

    /// A weight file begins; `length` in bytes, where it is known, lets a truncated file be refused.
    pub fn begin(&mut self, name: &str, length: Option<u64>) -> Result<()> {
        self.incoming.begin(name, length)
    }

    /// The file's next bytes; true once its head is whole and nothing more of it is wanted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool> {
        let file = self.incoming.file();
        match self.incoming.push(bytes)? {
            None => return Ok(false),
            Some(Found::Gguf(file)) => self.gguf = Some(file),
            Some(Found::Safetensors(entries)) => {
                self.tensors.extend(entries.into_iter().map(|entry| TensorEntry { file, ..entry }));
            }
        }
        self.incoming.abandon();
        Ok(true)
    }

    /// The file ends here: an error, since its head is not whole.
    pub fn end(&mut self) -> Result<()> {
        self.incoming.end()
    }

    /// The model's settings and tensors.
    ///
    /// # Errors
    /// Where a file has not come.
    pub fn manifest(&self) -> Result<Manifest> {
        match &self.gguf {
            Some(file) => Ok(file.manifest.clone()),
            None => {
                self.incoming.finish()?;
                self.incoming.side.manifest(self.tensors.clone())
            }
        }
    }

    /// What turns text into tokens. For safetensors this needs no weight file.
    pub fn into_text(mut self) -> Result<Text> {
        let Some(file) = self.gguf else { return Text::from_side_files(&mut self.incoming.side) };
        let text = Text::from_gguf(file.vocabulary, file.chat_template.as_deref());
        text.map_err(|error| self.incoming.at_file(error))
    }

    /// What the model is, and what it would take on a device that binds at most `binding_limit` bytes at once.
    ///
    /// # Errors
    /// Whatever [`Loading`](super::Loading) would refuse by the heads of the files.
    pub fn survey(&self, options: LoadOptions, binding_limit: u64) -> Result<Survey> {
        options.check()?;
        let survey = Survey::new(&self.manifest()?, options, binding_limit);
        survey.map_err(|error| match &self.gguf {
            Some(_) => self.incoming.at_file(error),
            None => self.incoming.side.at_folder(error),
        })
    }
}

impl Survey {
    fn new(manifest: &Manifest, options: LoadOptions, binding_limit: u64) -> Result<Survey> {
        let assembly = planned(manifest, options, binding_limit)?;
        if options.device == Device::Gpu {
            attention::check_head(assembly.cache())?;
        }
        let bound = if options.device == Device::Cpu { Bound::PROCESSOR } else { Bound::GPU };
        let plans = assembly.plans(bound)?;
        let weight_bytes = assembly.catalogue.iter().map(|(_, layout)| layout.bytes()).sum();
        let half = assembly.cache_format().bytes(assembly.cache());
        let cache_bytes = 2 * u64::from(assembly.cache().layers) * half;
        let shape = assembly.family.shape();
        let tile = CacheShape { context: CACHE_TILE, ..assembly.cache() };
        let tiles = binding_limit / (2 * assembly.cache_format().bytes(tile));
        let most = u32::try_from(tiles.saturating_mul(CACHE_TILE.into())).unwrap_or(u32::MAX);
        Ok(Survey {
            architecture: manifest.architecture.clone(),
            shape,
            tensors: manifest.tensors.clone(),
            formats: assembly.formats(),
            context: assembly.context,
            greatest_context: most.min(shape.context),
            weight_bytes,
            token_bytes: plans[0].weight_bytes(&assembly.catalogue),
            cache: assembly.cache_format(),
            cache_bytes,
            gpu_bytes: weight_bytes + cache_bytes + plans.iter().map(tensor_bytes).sum::<u64>(),
        })
    }

    /// The greatest context with which the model takes at most `bytes` in all: cache and tables grow with it, by whole
    /// tiles. 0 where not even the smallest fits.
    pub fn context_within(&self, bytes: u64) -> u32 {
        let constants = self.weight_bytes - self.formats.iter().map(|used| used.bytes).sum::<u64>();
        let fixed = self.gpu_bytes - self.cache_bytes - constants;
        let here = self.context.max(1);
        let tile_bytes = self.cache_bytes / u64::from(here.div_ceil(CACHE_TILE));
        let takes = |context: u32| {
            let tables = constants.saturating_mul(context.into()).div_ceil(here.into());
            let cache = tile_bytes.saturating_mul(context.div_ceil(CACHE_TILE).into());
            fixed.saturating_add(tables).saturating_add(cache)
        };
        let tiles = (1..=self.shape.context.div_ceil(CACHE_TILE)).rev();
        let mut contexts = tiles.map(|tiles| tiles.saturating_mul(CACHE_TILE).min(self.shape.context));
        contexts.find(|context| takes(*context) <= bytes).unwrap_or(0)
    }
}

/// A model with room for its weights on no device: for its plans and sizes alone.
pub(super) fn planned(manifest: &Manifest, options: LoadOptions, binding_limit: u64) -> Result<Assembly> {
    let mut assembly = Assembly::new(manifest, options)?;
    let mut numbers = Numbers(0);
    assembly.make_room(manifest, &|_| true, binding_limit, &mut numbers)?;
    assembly.add_constants(binding_limit, &mut numbers)?;
    Ok(assembly)
}

/// Numbers weights as a device would, and holds none.
struct Numbers(usize);

impl Sink for Numbers {
    fn allocate(&mut self, _name: &str, _layout: &Layout) -> Result<WeightId> {
        self.0 += 1;
        Ok(WeightId(self.0 - 1))
    }

    fn write(&mut self, _weight: WeightId, _part: usize, _offset: u64, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
}
