//! A dispatch -> what it is called, and the bytes and multiply-adds that no kernel could do it without.
//!
//! Everything follows from the step, the kernel's bindings and shapes, so a new kernel is counted like the others. What
//! is read more than once counts once: the count is what an ideal cache would leave, the least there is to move.

use super::{Binding, CACHE_TILE, CacheFormat, Dispatch, Resource, attention_decode, choose};
use crate::plan::{CacheShape, Combine, Live, Plan, Step};
use crate::weights::{Layout, WeightId};
use serde::Serialize;

/// What one dispatch of a run has to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
    /// The tensor, or half of the cache, that is written: `blk.3.qkv`, `cache.3.keys`; where something is added to a
    /// tensor, the weight that it comes from: `blk.3.ffn_down`.
    pub name: String,
    /// Stem of the kernel's file.
    pub kernel: &'static str,
    /// Whether it uses subgroups, and the constants that it is compiled with, where they are not 0: `team 16, combine 1`.
    pub variant: String,
    /// Format of the matrix, or of the cache that is read.
    pub format: Option<&'static str>,
    /// Rows and widths: `1 x 576 -> 1536` of a matrix, `1 x 576 over 129` of attention, `1 x 576` of others.
    pub shape: String,
    /// Bytes that have to be read.
    pub bytes_read: u64,
    /// Bytes that have to be written.
    pub bytes_written: u64,
    /// Multiply-adds; of what multiplies no matrix and mixes no values, one for each value written.
    pub operations: u64,
    /// Weights of a matrix, or values of the cache, that have to be turned into numbers, each once.
    pub weights: u64,
    /// Whether i8 are multiplied by packed i8.
    pub packed: bool,
}

/// What the counts of a plan's dispatches depend on beside the dispatches.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What each weight is called, and how it stands on the device.
    pub weight: &'a dyn Fn(WeightId) -> (&'a str, &'a Layout),
    /// How the cache is stored.
    pub cache: CacheFormat,
    /// Position and rows of the run.
    pub live: Live,
}

impl Work {
    /// What `dispatch`, one of those of `step`, has to do.
    pub fn new(setting: &Setting, step: &Step, dispatch: &Dispatch) -> Work {
        let constants = dispatch.constants.iter().filter(|(_, value)| *value != 0.0);
        let constants = constants.map(|(name, value)| format!("{} {value}", name.to_lowercase().replace('_', " ")));
        let variant: Vec<String> =
            dispatch.kernel.subgroups.then(|| "subgroups".into()).into_iter().chain(constants).collect();
        let matrix = dispatch.matrix.map(|(weight, part)| setting.layout(weight).parts[part]);
        let multiplied = setting.product(step, dispatch).map(|[_, outputs, inputs]| outputs * inputs);
        let cached = setting.reads_cache(dispatch).then(|| setting.cached());
        let (bytes_read, bytes_written) = setting.bytes(step, dispatch);
        Work {
            name: setting.name(step),
            kernel: dispatch.kernel.name,
            variant: variant.join(", "),
            format: matrix.map(|part| part.format.name()).or(cached.map(|_| setting.cache.name())),
            shape: setting.shape(step, dispatch),
            bytes_read,
            bytes_written,
            operations: setting.operations(step, dispatch),
            weights: multiplied.or(cached).unwrap_or(0),
            packed: dispatch.kernel.multiplies_packed(),
        }
    }

    /// Bytes read and written.
    pub fn bytes(&self) -> u64 {
        self.bytes_read + self.bytes_written
    }
}

impl<'a> Setting<'a> {
    fn layout(&self, weight: WeightId) -> &'a Layout {
        (self.weight)(weight).1
    }

    fn name(&self, step: &Step) -> String {
        let added = step.weights().first().copied().filter(|_| reads_what_it_writes(step));
        if let Some(weight) = added {
            let (name, _) = (self.weight)(weight);
            return name.trim_end_matches(".weight").to_string();
        }
        match (step.output(), step) {
            (Some(y), _) => self.plan.info(y).name.clone(),
            (None, Step::Store { layer, side, .. }) => format!("cache.{layer}.{side:?}").to_lowercase(),
            (None, _) => step.name().to_string(),
        }
    }

    /// Rows in use of what a step writes, or reads where it writes no tensor, and values in each.
    fn size(&self, step: &Step) -> (u64, u64) {
        let tensor = step.output().or(step.input());
        tensor.map_or((0, 0), |tensor| {
            (self.plan.live_rows(tensor, self.live).into(), self.plan.info(tensor).width.into())
        })
    }

    /// The same of a dispatch: what makes an input ready for those behind it goes through that.
    fn size_of(&self, step: &Step, dispatch: &Dispatch) -> (u64, u64) {
        let mut bound = dispatch.kernel.bindings.iter().zip(&dispatch.resources);
        let makes_ready =
            dispatch.matrix.is_none() && bound.any(|bound| matches!(bound, (Binding::Write(_), Resource::Scratch(_))));
        match step.input().filter(|_| step.matrix().is_some() && makes_ready) {
            Some(x) => (self.plan.live_rows(x, self.live).into(), self.plan.info(x).width.into()),
            None => self.size(step),
        }
    }

    /// Rows and outputs of the part of the matrix that a dispatch multiplies by, and its inputs.
    fn product(&self, step: &Step, dispatch: &Dispatch) -> Option<[u64; 3]> {
        let (weight, part) = dispatch.matrix.filter(|_| !matches!(step, Step::Embed { .. }))?;
        let layout = self.layout(weight);
        Some([self.size(step).0, layout.parts[part].outputs.into(), layout.inputs.into()])
    }

    fn reads_cache(&self, dispatch: &Dispatch) -> bool {
        let mut bound = dispatch.kernel.bindings.iter().zip(&dispatch.resources);
        bound.any(|(binding, resource)| {
            matches!((binding, resource), (Binding::Read(_), Resource::Cache(..) | Resource::WholeCache(_)))
        })
    }

    fn shape(&self, step: &Step, dispatch: &Dispatch) -> String {
        if let Some([rows, outputs, inputs]) = self.product(step, dispatch) {
            return format!("{rows} x {inputs} -> {outputs}");
        }
        let (rows, width) = self.size_of(step, dispatch);
        let over = if self.reads_cache(dispatch) { format!(" over {}", self.positions()) } else { String::new() };
        format!("{rows} x {width}{over}")
    }

    /// Positions that the last row sees.
    fn positions(&self) -> u64 {
        u64::from(self.live.position) + u64::from(self.live.rows)
    }

    /// Keys and values of a layer that the last row sees.
    fn cached(&self) -> u64 {
        let CacheShape { kv_heads, head_width, .. } = self.plan.cache;
        2 * u64::from(kv_heads * head_width) * self.positions()
    }

    fn operations(&self, step: &Step, dispatch: &Dispatch) -> u64 {
        if let Some(sizes) = self.product(step, dispatch) {
            return sizes.iter().product();
        }
        let (rows, width) = self.size_of(step, dispatch);
        match step {
            // A row sees the positions before it and itself: scores, then a mixture of values.
            Step::Attention { heads, .. } if self.reads_cache(dispatch) => {
                let seen: u64 = (0..rows).map(|row| u64::from(self.live.position) + row + 1).sum();
                2 * u64::from(*heads) * u64::from(self.plan.cache.head_width) * seen
            }
            _ => rows * width,
        }
    }

    /// Bytes to be read, and to be written.
    fn bytes(&self, step: &Step, dispatch: &Dispatch) -> (u64, u64) {
        if let Step::Choose { logits, .. } = step {
            return choose::greedy_bytes(dispatch, logits.width);
        }
        let (mut read, mut written) = (0, 0);
        for (binding, resource) in dispatch.kernel.bindings.iter().zip(&dispatch.resources) {
            match binding {
                Binding::Read(_) => read += self.resource(step, *resource, self.positions()),
                // What the step's first dispatch has written.
                Binding::Write(_) if step.matrix().is_some() && dispatch.matrix.is_none() && is_tensor(resource) => {}
                Binding::Write(_) => {
                    let bytes = self.share(dispatch, self.resource(step, *resource, self.live.rows.into()));
                    written += bytes;
                    read += if reads_what_it_writes(step) && is_tensor(resource) { bytes } else { 0 };
                }
            }
        }
        if let Some((weight, part)) = dispatch.matrix {
            let layout = self.layout(weight);
            let part = layout.parts[part];
            read += match self.product(step, dispatch) {
                Some(_) => part.bytes,
                None => self.size(step).0 * part.bytes / u64::from(part.outputs.max(1)),
            };
        }
        (read, written)
    }

    /// Bytes of the keys, or of the values, of so many positions of a layer.
    fn half_a_cache(&self, positions: u64) -> u64 {
        let tile = CacheShape { context: CACHE_TILE, ..self.plan.cache };
        self.cache.bytes(tile) / u64::from(CACHE_TILE) * positions
    }

    /// How much of what a step writes is written by a dispatch that multiplies by a part of its matrix.
    fn share(&self, dispatch: &Dispatch, bytes: u64) -> u64 {
        dispatch.matrix.map_or(bytes, |(weight, part)| {
            let layout = self.layout(weight);
            bytes * u64::from(layout.parts[part].outputs) / u64::from(layout.outputs)
        })
    }

    /// Bytes of the rows in use of what is bound, of the cache those of `positions`.
    fn resource(&self, step: &Step, resource: Resource, positions: u64) -> u64 {
        let CacheShape { context, .. } = self.plan.cache;
        match resource {
            Resource::Tensor(tensor) => {
                4 * u64::from(self.plan.live_rows(tensor, self.live)) * u64::from(self.plan.info(tensor).width)
            }
            Resource::Vector(weight) if position_table(step) == Some(weight) => {
                self.layout(weight).bytes() / u64::from(context.max(1)) * u64::from(self.live.rows)
            }
            Resource::Vector(weight) => self.layout(weight).bytes(),
            Resource::Tokens => 4 * u64::from(self.live.rows),
            Resource::Cache(..) => self.half_a_cache(positions),
            Resource::WholeCache(_) => 2 * self.half_a_cache(positions),
            // For every row that there is room for.
            Resource::Scratch(values) if step.matrix().is_some() => {
                4 * u64::from(values) / u64::from(self.plan.rows.max(1)) * u64::from(self.live.rows)
            }
            Resource::Scratch(values) => match u64::from(attention_decode::splits(self.live)) {
                1 => 0,
                splits => 4 * u64::from(values) / u64::from(attention_decode::MOST_SPLITS) * splits,
            },
            Resource::Unused | Resource::Sampling | Resource::Bias | Resource::Counts => 0,
        }
    }
}

/// The vector that holds a row for each position, of which a run needs those of its own rows.
fn position_table(step: &Step) -> Option<WeightId> {
    match step {
        Step::Rope { table, .. } => Some(*table),
        Step::Heads { rotation, .. } | Step::MatmulHeads { rotation, .. } => rotation.map(|rotation| rotation.table),
        _ => None,
    }
}

fn is_tensor(resource: &Resource) -> bool {
    matches!(resource, Resource::Tensor(_))
}

/// Whether a step adds to what stands there, or multiplies it.
fn reads_what_it_writes(step: &Step) -> bool {
    let combine = match step {
        Step::Embed { combine, .. } => *combine,
        Step::Matmul { epilogue, .. } | Step::Pointwise { epilogue, .. } => epilogue.combine,
        _ => Combine::Store,
    };
    combine != Combine::Store
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::kernels::{Tuning, lower};
    use crate::plan::Builder;
    use crate::weights::{Catalogue, Shape};

    /// The works of every dispatch of a small decoder's layer, in order.
    fn works(rows: u32, live: Live) -> Vec<Work> {
        let mut catalogue = Catalogue::default();
        let layout = |format, shape| Layout::new(format, shape, 1 << 27).unwrap();
        let table = catalogue.add("table", layout(Format::Q8, Shape::Matrix { outputs: 100, inputs: 64 }));
        let qkv = catalogue.add("qkv", layout(Format::Q4, Shape::Matrix { outputs: 96, inputs: 64 }));
        let output = catalogue.add("output", layout(Format::F16, Shape::Matrix { outputs: 64, inputs: 64 }));
        let angles = catalogue.add("angles", layout(Format::F32, Shape::Vector { width: 50 * 16 }));
        let cache = CacheShape { layers: 1, kv_heads: 1, head_width: 16, context: 50 };
        let mut b = Builder::new(&catalogue, rows, cache);
        let x = b.embed(table);
        b.scope("blk.0");
        let all = b.matmul("qkv", x, qkv);
        let [q, k, v] = b.split(all, [64, 16, 16]);
        let k = b.rope("k_rotated", k, angles, 16, crate::plan::Pairing::Halves);
        b.store(k, v, 0);
        let mixed = b.attention("attention", q, 0, 4, 0.25);
        let mixed = b.matmul("attn_output", mixed, output);
        b.add_into(x, mixed);
        b.scope("");
        let logits = b.matmul("logits", x, table);
        let plan = crate::fuse::fuse(&b.finish(logits), &catalogue);
        let catalogue = &catalogue;
        let weight = |weight| (catalogue.name(weight), catalogue.layout(weight));
        let setting = Setting { plan: &plan, weight: &weight, cache: CacheFormat::F16, live };
        let each = plan.steps.iter().flat_map(|step| {
            let dispatches = lower(&plan, catalogue, step, &Tuning::default(), CacheFormat::F16).unwrap();
            dispatches.into_iter().map(move |dispatch| Work::new(&setting, step, &dispatch))
        });
        each.collect()
    }

    const LIVE: Live = Live { position: 9, rows: 1, place: 0, slot: 0 };

    #[test]
    fn a_matrix_is_read_once_and_its_rows_written() {
        let works = works(1, LIVE);
        let qkv = works.iter().find(|work| work.name == "blk.0.qkv").unwrap();
        assert_eq!((qkv.kernel, qkv.format, qkv.shape.as_str()), ("matvec", Some("q4"), "1 x 64 -> 96"));
        assert_eq!(qkv.operations, 96 * 64);
        // 2 blocks a row of 16 bytes, a scale and a minimum; then the row of x.
        assert_eq!((qkv.bytes_read, qkv.bytes_written), (96 * 2 * (16 + 4) + 64 * 4, 96 * 4));
        let residual = works.iter().find(|work| work.name == "output").unwrap();
        assert_eq!(residual.bytes_read, 64 * 64 * 2 + 64 * 4 + 64 * 4, "a residual reads what it adds to");
    }

    #[test]
    fn a_table_gives_only_the_rows_looked_up() {
        let works = works(1, LIVE);
        assert_eq!((works[0].kernel, works[0].operations), ("embed", 64));
        assert!(works[0].bytes_read < 64 + 16 + 4 + 8, "{} bytes of a row of 64", works[0].bytes_read);
        let rope = works.iter().find(|work| work.kernel == "rope").unwrap();
        assert_eq!(rope.bytes_read, 16 * 4 + 96 * 4, "the cosines and sines of one position, and a row");
    }

    #[test]
    fn attention_reads_the_positions_that_are_seen() {
        let works = works(4, Live { rows: 3, ..LIVE });
        let attention = works.iter().find(|work| work.name == "blk.0.attention").unwrap();
        assert_eq!(attention.shape, "3 x 64 over 12");
        assert_eq!(attention.operations, 2 * 4 * 16 * (10 + 11 + 12));
        assert_eq!(attention.bytes_read, 3 * 96 * 4 + 2 * 12 * 16 * 2);
        assert_eq!((attention.format, attention.weights), (Some("f16"), 2 * 12 * 16), "each is turned into a number");
        let store = works.iter().find(|work| work.name == "cache.0.keys").unwrap();
        assert_eq!((store.bytes_written, store.operations), (3 * 16 * 2, 3 * 16));
        assert!(works.iter().all(|work| work.bytes() > 0));
    }
}
