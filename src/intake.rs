//! The bytes of a model's weight files, in order and in chunks of any size -> its weights in a [`Sink`].
//!
//! What a model needs is checked against what the files hold before any weight moves. Then each tensor is converted as
//! its bytes pass by, a run of a row at a time, so that memory never holds more than a few MiB of it; only a tensor that
//! is stored transposed is held until it is whole.

mod convert;
mod regions;
#[cfg(test)]
mod tests;

use crate::format::{Encoding, EncodingInfo, Format, tensor_bytes};
use crate::manifest::{Manifest, TensorEntry, check_entries};
use crate::weights::{Catalogue, Layout, Precision, Run, Shape, Sink, Spec, WeightId};
use crate::{Error, Result};
use convert::Converter;
use regions::Regions;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Weights on their way from files to a device.
#[derive(Debug)]
pub struct Intake {
    layouts: Vec<(String, Layout)>,
    /// Ids that the sink gave, in the order of `layouts`.
    weights: Vec<WeightId>,
    /// How each tensor that will be read is stored, for reports.
    formats: Vec<Format>,
    files: BTreeMap<usize, Stream>,
}

/// One weight file, as far as it has come.
#[derive(Debug, Default)]
struct Stream {
    position: u64,
    /// Tensors whose last byte has not come, in the order of their bytes.
    jobs: VecDeque<Job>,
    /// Of the first job, once its first byte has come.
    converter: Option<Converter>,
}

/// One tensor that the model needs.
#[derive(Debug)]
struct Job {
    place: Place,
    layout: Layout,
    shape: Shape,
    run: Option<Run>,
    entry: TensorEntry,
    info: &'static EncodingInfo,
    transposed: bool,
}

/// The weight that a tensor goes to.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// One that an earlier file began.
    Begun(WeightId),
    /// One of [`Intake::layouts`].
    New(usize),
}

/// What [`Intake::new`] finds weights by.
pub struct Wanted<'a> {
    /// What the model needs: tensors of one weight follow one another.
    pub specs: &'a [Spec],
    /// Whether a tensor is to be looked for in these files; the others come in other files.
    pub here: &'a dyn Fn(&Spec) -> bool,
    /// The weights that other files have begun.
    pub begun: &'a Catalogue,
    /// What float matrices become.
    pub precision: Precision,
    /// The most bytes that the device binds at once.
    pub binding_limit: u64,
}

impl Intake {
    /// Finds the tensors that the specs ask for and decides what each becomes. Other tensors are passed over.
    ///
    /// # Errors
    /// [`Error::Model`] where a tensor is missing or of another shape, [`Error::Unsupported`] where it is stored in a way
    /// that is not supported, [`Error::File`] where the manifest's places overlap or have the wrong length, and
    /// [`Error::Memory`] where rows are too long for the binding limit.
    pub fn new(manifest: &Manifest, wanted: &Wanted) -> Result<Intake> {
        check_entries(&manifest.tensors)?;
        let by_name: HashMap<&str, &TensorEntry> =
            manifest.tensors.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let quantised = |entry: &TensorEntry| entry.encoding.info().is_ok_and(|info| info.resident.is_some());
        let quantised_file = manifest.tensors.iter().any(quantised);
        let floats = Floats { precision: wanted.precision, quantised_file };
        let mut intake =
            Intake { layouts: Vec::new(), weights: Vec::new(), formats: Vec::new(), files: BTreeMap::new() };
        let mut taken = HashSet::new();
        for specs in wanted.specs.chunk_by(|a, b| a.name == b.name) {
            let mut found = Vec::new();
            for spec in specs.iter().filter(|spec| (wanted.here)(spec)) {
                let Some(&entry) = by_name.get(spec.source_name.as_str()) else {
                    if spec.required {
                        return Err(Error::Model(format!("tensor {} is missing", spec.source_name)));
                    }
                    continue;
                };
                if !taken.insert(&entry.name) {
                    return Err(Error::Model(format!("tensor {} is asked for twice", entry.name)));
                }
                let info = checked(spec, entry).map_err(|error| error.at(&entry.name))?;
                found.push((spec, entry, info));
            }
            if let Some((_, first, _)) = found.first() {
                let name = first.name.clone();
                intake.add(wanted, floats, specs, found).map_err(|error| error.at(&name))?;
            }
        }
        for file in intake.files.values_mut() {
            file.jobs.make_contiguous().sort_by_key(|job| job.entry.offset);
        }
        Ok(intake)
    }

    /// Adds one weight, or what these files hold of it.
    fn add(&mut self, wanted: &Wanted, floats: Floats, specs: &[Spec], found: Vec<Found>) -> Result<()> {
        let name = &specs[0].name;
        let (place, layout) = match wanted.begun.find(name) {
            Some(weight) => (Place::Begun(weight), wanted.begun.layout(weight).clone()),
            None => {
                let layout = layout(specs, &found, floats, wanted.binding_limit)?;
                self.layouts.push((name.clone(), layout.clone()));
                (Place::New(self.layouts.len() - 1), layout)
            }
        };
        for (spec, entry, info) in found {
            self.formats.push(floats.format(spec.shape, Some(info)));
            self.files.entry(entry.file).or_default().jobs.push_back(Job {
                place,
                layout: layout.clone(),
                shape: spec.shape,
                run: spec.run,
                entry: entry.clone(),
                info,
                transposed: spec.transposed,
            });
        }
        Ok(())
    }

    /// The format of each tensor that will be read.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// The weights that will come, by the names of the specs, in the order in which [`allocate`](Intake::allocate) asks
    /// for room.
    pub fn layouts(&self) -> &[(String, Layout)] {
        &self.layouts
    }

    /// Makes room for every weight. [`push`](Intake::push) does it otherwise; this is for learning early that there is
    /// not enough.
    pub fn allocate(&mut self, sink: &mut dyn Sink) -> Result<()> {
        for (name, layout) in &self.layouts[self.weights.len()..] {
            self.weights.push(sink.allocate(name, layout).map_err(|error| error.at(name))?);
        }
        Ok(())
    }

    /// Passes over the next `length` bytes of a file, which the caller knows already: its head.
    ///
    /// # Errors
    /// Where a weight is among them.
    pub fn skip(&mut self, file: usize, length: u64) -> Result<()> {
        let Some(stream) = self.files.get_mut(&file) else { return Ok(()) };
        let position = stream.position.saturating_add(length);
        match stream.jobs.front() {
            Some(job) if job.entry.offset < position => {
                let (name, at) = (&job.entry.name, job.entry.offset);
                Err(Error::File(format!("tensor {name} begins at byte {at}, inside the head of {position} bytes")))
            }
            _ => {
                stream.position = position;
                Ok(())
            }
        }
    }

    /// Takes the next bytes of a file and writes what becomes of them.
    ///
    /// # Errors
    /// Where a value does not fit the precision that was asked for, or the sink refuses it.
    pub fn push(&mut self, file: usize, mut bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        self.allocate(sink)?;
        let Some(stream) = self.files.get_mut(&file) else { return Ok(()) };
        while let Some(job) = stream.jobs.front() {
            let ahead = job.entry.offset.saturating_sub(stream.position).min(bytes.len() as u64);
            bytes = &bytes[ahead as usize..];
            stream.position += ahead;
            if bytes.is_empty() {
                return Ok(());
            }
            let (now, later) = bytes.split_at((job.entry.end() - stream.position).min(bytes.len() as u64) as usize);
            let converter = stream.converter.get_or_insert_with(|| {
                let weight = match job.place {
                    Place::Begun(weight) => weight,
                    Place::New(place) => self.weights[place],
                };
                Converter::new(job.info, job.transposed, Regions::new(weight, &job.layout, job.shape, job.run))
            });
            converter.push(now, sink).map_err(|error| error.at(&job.entry.name))?;
            stream.position += now.len() as u64;
            bytes = later;
            if stream.position == job.entry.end() {
                stream.converter = None;
                stream.jobs.pop_front();
            }
        }
        Ok(())
    }

    /// Every byte that there is has come.
    ///
    /// # Errors
    /// Names the first tensor that is not whole.
    pub fn finish(self) -> Result<()> {
        let unfinished =
            self.files.into_values().find_map(|stream| Some((stream.position, stream.jobs.front()?.entry.clone())));
        match unfinished {
            None => Ok(()),
            Some((position, entry)) => Err(Error::File(format!(
                "tensor {} is not whole: {} of its {} bytes came",
                entry.name,
                position.saturating_sub(entry.offset),
                entry.bytes
            ))),
        }
    }
}

/// What becomes of float matrices.
#[derive(Clone, Copy)]
struct Floats {
    precision: Precision,
    /// Whether the file holds quantised tensors beside them.
    quantised_file: bool,
}

impl Floats {
    /// What a tensor becomes. One that comes in another file, of which nothing is known yet, is one of floats: only
    /// safetensors come in several files.
    fn format(self, shape: Shape, info: Option<&EncodingInfo>) -> Format {
        let (resident, f32) = info.map_or((None, false), |info| (info.resident, info.encoding == Encoding::F32));
        match (shape, resident, self.precision) {
            (Shape::Vector { .. }, _, _) => Format::F32,
            (_, Some(format), _) => format,
            // A matrix that was spared when the others were quantised keeps its precision.
            (_, None, Precision::Auto) if self.quantised_file && f32 => Format::F32,
            (_, None, Precision::Auto | Precision::F16) => Format::F16,
            (_, None, Precision::F32) => Format::F32,
            (_, None, Precision::Q8) => Format::Q8,
            (_, None, Precision::Q4) => Format::Q4,
        }
    }
}

/// A tensor that was found: what asks for it, where it stands and how.
type Found<'a> = (&'a Spec, &'a TensorEntry, &'static EncodingInfo);

/// How a tensor is stored, once it is known to be what the spec asks for.
fn checked(spec: &Spec, entry: &TensorEntry) -> Result<&'static EncodingInfo> {
    let info = entry.encoding.info()?;
    let shape = shape_in_file(spec);
    // Sizes of 1 change no value's place, and GGUF leaves some out.
    let sizes = |shape: &[u64]| shape.iter().copied().filter(|size| *size != 1).collect::<Vec<_>>();
    if sizes(&entry.shape) != sizes(&shape) {
        return Err(Error::Model(format!("has shape {:?}, the model's settings call for {shape:?}", entry.shape)));
    }
    if spec.transposed && info.resident.is_some() {
        return Err(Error::Unsupported(format!("is stored transposed in {}; supported: floats", info.name)));
    }
    let needed = tensor_bytes(&shape, info.block, info.block_bytes)?;
    if needed != entry.bytes {
        return Err(Error::File(format!("has {} bytes, its shape calls for {needed}", entry.bytes)));
    }
    Ok(info)
}

/// How the weight stands that the specs make up.
fn layout(specs: &[Spec], found: &[Found], floats: Floats, binding_limit: u64) -> Result<Layout> {
    let (_, inputs) = specs[0].shape.sizes();
    match (specs[0].shape, specs[0].run) {
        (Shape::Vector { .. }, Some(_)) => Layout::new(Format::F32, specs[0].whole(), binding_limit),
        _ => {
            let runs = specs.iter().map(|spec| {
                let info = found.iter().find(|(known, ..)| known.source_name == spec.source_name).map(|found| found.2);
                (floats.format(spec.shape, info), spec.shape.sizes().0)
            });
            Layout::joined(&runs.collect::<Vec<_>>(), inputs, binding_limit)
        }
    }
}

/// The sizes that a tensor is to have, outermost first.
fn shape_in_file(spec: &Spec) -> Vec<u64> {
    match spec.shape {
        Shape::Matrix { outputs, inputs } if spec.transposed => vec![inputs.into(), outputs.into()],
        Shape::Matrix { outputs, inputs } => vec![outputs.into(), inputs.into()],
        Shape::Vector { width } => vec![width.into()],
    }
}
