//! A manifest -> the model family, and every weight's place on the device; then weights through to there.

use super::chunks::LEAST_ROWS;
use super::kept::hash_of;
use super::{CachePrecision, LoadOptions};
use crate::executor::Executor;
use crate::format::Format;
use crate::fuse::fuse;
use crate::intake::{Intake, Wanted};
use crate::kernels::CacheFormat;
use crate::manifest::Manifest;
use crate::models::{self, Constant, Family, ModelShape};
use crate::plan::{CacheShape, Output, Plan, Slots};
use crate::weights::{Catalogue, Layout, Precision, Shape, Sink, Spec, WeightId};
use crate::{Error, Result};
use std::collections::HashMap;

/// How much of a model stands in one format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatUse {
    /// The format.
    pub format: Format,
    /// Tensors in it.
    pub tensors: u32,
    /// Their bytes on the device.
    pub bytes: u64,
}

/// A model between its head and its plans.
pub(super) struct Assembly {
    pub(super) architecture: String,
    pub(super) family: Box<dyn Family>,
    /// Positions to make room for.
    pub(super) context: u32,
    /// The weights on the device, which numbers them in the same order.
    pub(super) catalogue: Catalogue,
    pub(super) specs: Vec<Spec>,
    /// How many of the catalogue came from files: the first ones. Constants follow.
    from_files: usize,
    /// The format of each tensor of the files.
    formats: Vec<Format>,
    pub(super) options: LoadOptions,
    /// The values of those weights that the family computes its constants from.
    kept: HashMap<WeightId, Vec<u8>>,
    /// A hash of the constants.
    pub(super) aside: u64,
}

impl Assembly {
    /// Opens the family and checks that it can serve what is asked for.
    pub(super) fn new(manifest: &Manifest, options: LoadOptions) -> Result<Assembly> {
        let family = models::open(manifest)?;
        let assembly = Assembly {
            architecture: manifest.architecture.clone(),
            context: options.context_for(family.shape().context)?,
            catalogue: Catalogue::default(),
            specs: family.specs(),
            from_files: 0,
            formats: Vec::new(),
            options,
            kept: HashMap::new(),
            aside: 0,
            family,
        };
        assembly.cache_format().check(assembly.cache())?;
        Ok(assembly)
    }

    /// Makes room for the weights of which `manifest` holds tensors, those that are `here`; what it returns takes their
    /// bytes.
    pub(super) fn make_room(
        &mut self,
        manifest: &Manifest,
        here: &dyn Fn(&Spec) -> bool,
        binding_limit: u64,
        device: &mut dyn Sink,
    ) -> Result<Intake> {
        let (specs, precision) = (&self.specs, self.options.precision);
        let wanted = Wanted { specs, here, begun: &self.catalogue, precision, binding_limit };
        let mut intake = Intake::new(manifest, &wanted)?;
        intake.allocate(device)?;
        for (name, layout) in intake.layouts() {
            let id = self.catalogue.add(name, layout.clone());
            if self.family.kept().contains(&name.as_str()) {
                // Until its values come, ones: a factor that changes nothing.
                self.kept.insert(id, bytemuck::cast_slice(&vec![1.0f32; layout.inputs as usize]).to_vec());
            }
        }
        self.from_files += intake.layouts().len();
        self.formats.extend_from_slice(intake.formats());
        Ok(intake)
    }

    /// A sink for the weights that keeps a copy of the few that constants are computed from.
    pub(super) fn keeping<'a>(&'a mut self, device: &'a mut dyn Sink) -> impl Sink {
        Keeping { kept: &mut self.kept, device }
    }

    /// Makes room for the family's constants beside the weights of the last file. Their values may change with weights that
    /// are still to come.
    pub(super) fn add_constants(&mut self, binding_limit: u64, device: &mut dyn Sink) -> Result<()> {
        for constant in self.constants()? {
            let shape = Shape::Vector { width: width(&constant.name, constant.data.len())? };
            let layout = Layout::new(Format::F32, shape, binding_limit).map_err(|error| error.at(&constant.name))?;
            let id = device.allocate(&constant.name, &layout).map_err(|error| error.at(&constant.name))?;
            self.catalogue.add(&constant.name, layout);
            self.aside ^= hash_of(&constant.data, self.context);
            device.write(id, 0, 0, bytemuck::cast_slice(&constant.data))?;
        }
        Ok(())
    }

    /// Writes those constants again that are computed from weights, once these are whole.
    pub(super) fn fill_constants(&mut self, device: &mut dyn Sink) -> Result<()> {
        if !self.kept.is_empty() {
            self.aside = 0;
            for constant in self.constants()? {
                let id = self.catalogue.get(&constant.name)?;
                self.aside ^= hash_of(&constant.data, self.context);
                device.write(id, 0, 0, bytemuck::cast_slice(&constant.data))?;
            }
            self.kept.clear();
        }
        Ok(())
    }

    fn constants(&self) -> Result<Vec<Constant>> {
        let tensor = |name: &str| {
            let bytes = self.kept.get(&self.catalogue.find(name)?)?;
            Some(bytemuck::pod_collect_to_vec::<u8, f32>(bytes))
        };
        self.family.constants(self.context, &tensor)
    }

    /// The weights of the files, by format; what was computed aside.
    pub(super) fn formats(&self) -> Vec<FormatUse> {
        let mut uses = Format::ALL.map(|format| FormatUse { format, tensors: 0, bytes: 0 });
        let parts = self.catalogue.iter().take(self.from_files).flat_map(|(_, layout)| &layout.parts);
        let parts: Vec<_> = parts.collect();
        for entry in &mut uses {
            entry.tensors = self.formats.iter().filter(|format| **format == entry.format).count() as u32;
            entry.bytes = parts.iter().filter(|part| part.format == entry.format).map(|part| part.bytes).sum();
        }
        uses.into_iter().filter(|entry| entry.tensors > 0).collect()
    }

    /// The cache of keys and values that the model needs.
    pub(super) fn cache(&self) -> CacheShape {
        let ModelShape { layers, kv_heads, head_width, .. } = self.family.shape();
        CacheShape { layers, kv_heads, head_width, context: self.context }
    }

    /// How the cache holds keys and values.
    pub(super) fn cache_format(&self) -> CacheFormat {
        match (self.options.cache, self.options.precision) {
            (CachePrecision::Only(format), _) => format,
            (CachePrecision::Auto, Precision::F32) => CacheFormat::F32,
            (CachePrecision::Auto, _) => CacheFormat::F16,
        }
    }

    /// The pass of one row that gives the next token, and the pass of many that takes a prompt.
    pub(super) fn plans(&self, bound: Bound) -> Result<[Plan; 2]> {
        let first = self.prompt_rows(bound);
        let mut rows = MOST_PROMPT_ROWS.min(self.context);
        let mut prompt = self.plan(rows, Output::Last)?;
        while tensor_bytes(&prompt) > PROMPT_BYTES && rows > first {
            rows = (rows / 2).max(first);
            prompt = self.plan(rows, Output::Last)?;
        }
        Ok([self.plan(1, Output::Last)?, prompt])
    }

    /// A pass over the weights, once the constants stand beside them.
    pub(super) fn plan(&self, rows: u32, output: Output) -> Result<Plan> {
        Ok(fuse(&self.family.plan(&self.catalogue, self.context, rows, output)?, &self.catalogue))
    }

    /// Rows of a prompt that the first pass takes, before anything is known of the device: fewer of a large model.
    pub(super) fn prompt_rows(&self, bound: Bound) -> u32 {
        let values = |layout: &Layout| u64::from(layout.outputs) * u64::from(layout.inputs);
        let row_work: u64 = self.catalogue.iter().map(|(_, layout)| values(layout)).sum();
        let fitting = (bound.0 / row_work.max(1)).clamp(LEAST_ROWS.into(), FIRST_PROMPT_ROWS) as u32;
        fitting.min(self.context)
    }
}

/// Rows of a prompt that are run at once, on a device that is quick: past some hundred, a weight that is read once more
/// for each of so many rows is not what takes the time.
const MOST_PROMPT_ROWS: u32 = 256;

/// Bytes that the tensors of so many rows may take; of a larger model there are fewer rows. 256 rows of a model of 1B take
/// 34 MB, as many of 8B twice that.
const PROMPT_BYTES: u64 = 64 << 20;

/// Rows of a prompt that are run at once while it is not known how quick a device is.
const FIRST_PROMPT_ROWS: u64 = 64;

/// Multiplications in the first pass over a prompt: an answer that is given up ends no sooner than that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound(u64);

impl Bound {
    /// A submit should end well before a driver gives up on it.
    pub(super) const GPU: Bound = Bound(1 << 36);

    /// A few tenths of a second on a slow core.
    pub(super) const PROCESSOR: Bound = Bound(1 << 32);

    /// What suits an executor.
    pub(super) fn of(executor: &Executor) -> Bound {
        match executor {
            Executor::Gpu(_) => Bound::GPU,
            Executor::Cpu(_) => Bound::PROCESSOR,
        }
    }
}

/// Bytes of the tensors between a pass's steps.
pub(super) fn tensor_bytes(plan: &Plan) -> u64 {
    Slots::new(plan).lengths.iter().map(|values| *values as u64 * size_of::<f32>() as u64).sum()
}

fn width(name: &str, values: usize) -> Result<u32> {
    u32::try_from(values).map_err(|_| Error::Memory(format!("{name}: a table of {values} values is too large")))
}

struct Keeping<'a> {
    kept: &'a mut HashMap<WeightId, Vec<u8>>,
    device: &'a mut dyn Sink,
}

impl Sink for Keeping<'_> {
    fn allocate(&mut self, name: &str, layout: &Layout) -> Result<WeightId> {
        self.device.allocate(name, layout)
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        if let Some(copy) = self.kept.get_mut(&weight) {
            // A vector has one part; past its values there is padding only.
            let start = (offset as usize).min(copy.len());
            let end = (start + bytes.len()).min(copy.len());
            copy[start..end].copy_from_slice(&bytes[..end - start]);
        }
        self.device.write(weight, part, offset, bytes)
    }
}
