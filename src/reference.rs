//! Runs a [`Plan`] by the plain reference function of every kernel: the oracle that kernels and fusions are tested against.
//!
//! Weights stand in memory in the same formats as on a GPU, and the same values are computed from them.

use crate::executor::choosing::Choosing;
use crate::executor::{
    AdapterInfo, CacheLayout, Counts, Host, Prepared, Readback, check_readback, check_tokens, nothing_was_run,
};
use crate::format::Packed;
use crate::kernels::{
    CacheFormat, Rows, RowsMut, attention, choose, embed, heads, last_row, layer_norm, matmul, pointwise, rms_norm,
    rope, store,
};
use crate::plan::{
    Activation, CacheShape, Combine, Epilogue, HeadNorms, Index, Live, Norm, Plan, Rotation, Side, Step, Tensor,
    TensorInfo, View,
};
use crate::sampler::{Chosen, Options};
use crate::weights::{Catalogue, Layout, Sink, WeightId};
use crate::{Error, Result};

/// Weights, cache and tensors in memory.
#[derive(Default)]
pub struct Reference {
    weights: Vec<Weight>,
    cache: Option<Cache>,
    prepared: Vec<Run>,
    choosing: Choosing,
}

struct Weight {
    layout: Layout,
    parts: Vec<Vec<u8>>,
}

struct Cache {
    shape: CacheShape,
    format: CacheFormat,
    /// Keys and values of each layer, `[kv_heads, context, head_width]`.
    layers: Vec<[Vec<f32>; 2]>,
}

/// A plan and its tensors, `[rows, width]`.
struct Run {
    plan: Plan,
    tensors: Vec<Vec<f32>>,
    live: Live,
}

impl Host for Reference {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo {
            name: "reference kernels".into(),
            backend: "cpu".into(),
            kind: "software".into(),
            driver: String::new(),
            variants: "reference".into(),
            timestamps: false,
            subgroups: false,
        }
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn allocate_cache(&mut self, shape: CacheShape, format: CacheFormat) -> Result<()> {
        let length = u64::from(shape.kv_heads) * u64::from(shape.context) * u64::from(shape.head_width);
        let half = || zeros(length).map_err(|error| error.at(format!("a context of {}", shape.context)));
        let layers = (0..shape.layers).map(|_| Ok([half()?, half()?])).collect::<Result<_>>()?;
        self.cache = Some(Cache { shape, format, layers });
        Ok(())
    }

    fn cache_layout(&self) -> Option<CacheLayout> {
        let CacheShape { layers, kv_heads, head_width: cells, context: capacity } = self.cache.as_ref()?.shape;
        Some(CacheLayout { layers, kv_heads, capacity, tile: 1, cells, cell_bytes: 4, scales: 0 })
    }

    fn read_head(&self, layer: usize, side: usize, first: usize, bytes: &mut [u8]) {
        if let Some(cache) = &self.cache {
            let all: &[u8] = bytemuck::cast_slice(&cache.layers[layer][side]);
            bytes.copy_from_slice(&all[first..first + bytes.len()]);
        }
    }

    fn write_head(&mut self, layer: usize, side: usize, first: usize, bytes: &[u8]) {
        if let Some(cache) = &mut self.cache {
            let all: &mut [u8] = bytemuck::cast_slice_mut(&mut cache.layers[layer][side]);
            all[first..first + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn prepare(&mut self, plan: &Plan, _catalogue: &Catalogue) -> Result<Prepared> {
        let room = |(place, info): (usize, &TensorInfo)| {
            let length = u64::from(plan.rows_of(Tensor(place))) * u64::from(info.width);
            zeros(length).map_err(|error| error.at(&info.name))
        };
        let tensors = plan.tensors.iter().enumerate().map(room).collect::<Result<_>>()?;
        self.prepared.push(Run { plan: plan.clone(), tensors, live: Live { position: 0, rows: 0, place: 0, slot: 0 } });
        Ok(Prepared(self.prepared.len() - 1))
    }

    fn begin_choosing(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        self.choosing.begin(options, prompt, generated)
    }

    fn run(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        self.pass(prepared, tokens, position, readback)?;
        if readback == Readback::Choice {
            let chosen = self.choice(prepared)?;
            self.choosing.push(vec![Ok(chosen)]);
        }
        Ok(())
    }

    fn chain(&mut self, prepared: Prepared, position: u32, count: u32) -> Result<()> {
        let mut all = Vec::new();
        for position in position..position.saturating_add(count) {
            let token = self.choosing.last().ok_or_else(nothing_was_run)?;
            self.pass(prepared, &[token], position, Readback::Choice)?;
            all.push(Ok(self.choice(prepared)?));
        }
        self.choosing.push(all);
        Ok(())
    }

    fn under_way(&self) -> usize {
        self.choosing.under_way()
    }

    fn choices(&mut self) -> Result<Vec<Result<Chosen>>> {
        self.choosing.take()
    }

    fn logits(&self, prepared: Prepared) -> Result<Vec<f32>> {
        let run = &self.prepared[prepared.0];
        run.results(run.plan.logits).map(<[f32]>::to_vec)
    }

    fn write_tensor(&mut self, prepared: Prepared, tensor: Tensor, values: &[f32]) {
        self.prepared[prepared.0].tensors[tensor.0][..values.len()].copy_from_slice(values);
    }

    fn read_tensor(&self, prepared: Prepared, tensor: Tensor) -> Vec<f32> {
        self.prepared[prepared.0].tensors[tensor.0].clone()
    }
}

impl Reference {
    /// Runs every step; that of the choice where it is asked for.
    fn pass(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        let Reference { weights, cache, prepared: runs, choosing, .. } = self;
        let run = &mut runs[prepared.0];
        check_readback(&run.plan, readback)?;
        run.live = run.plan.live(tokens.len(), position)?;
        if let Some(table) = run.plan.token_table() {
            check_tokens(tokens, weights[table.0].layout.outputs)?;
        }
        let mut pass = Pass { weights, cache: cache.as_mut(), tokens, choosing };
        for i in 0..run.plan.steps.len() {
            if readback == Readback::Choice || !matches!(run.plan.steps[i], Step::Choose { .. }) {
                pass.step(run, i)?;
            }
        }
        Ok(())
    }

    /// The token that the last run chose.
    fn choice(&self, prepared: Prepared) -> Result<Chosen> {
        let run = &self.prepared[prepared.0];
        let records = run.plan.choice.map(|y| &run.tensors[y.0]).filter(|_| run.live.rows > 0);
        let mut records = records.ok_or_else(nothing_was_run)?.chunks_exact(choose::RECORD as usize);
        let record = records.nth(run.live.slot as usize).ok_or_else(nothing_was_run)?;
        choose::decode(&record.iter().map(|word| word.to_bits()).collect::<Vec<_>>())
    }
}

impl Sink for Reference {
    fn allocate(&mut self, _name: &str, layout: &Layout) -> Result<WeightId> {
        let parts = layout.parts.iter().map(|part| zeros(part.bytes)).collect::<Result<_>>()?;
        self.weights.push(Weight { layout: layout.clone(), parts });
        Ok(WeightId(self.weights.len() - 1))
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        self.weights[weight.0].parts[part][offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// So many zeros, or an error where memory has no room for them.
fn zeros<T: bytemuck::Zeroable>(length: u64) -> Result<Vec<T>> {
    let values = usize::try_from(length).ok().and_then(|length| bytemuck::try_zeroed_vec(length).ok());
    values.ok_or_else(|| {
        let bytes = u128::from(length) * size_of::<T>() as u128;
        Error::Memory(format!("needs {bytes} bytes, more than there is memory"))
    })
}

impl Run {
    /// The rows of a tensor that the last run wrote.
    fn results(&self, tensor: Tensor) -> Result<&[f32]> {
        match self.plan.live_rows(tensor, self.live) {
            0 => Err(nothing_was_run()),
            rows => Ok(&self.tensors[tensor.0][..rows as usize * self.plan.info(tensor).width as usize]),
        }
    }
}

/// What the steps of one run work on, beside the tensors.
struct Pass<'a> {
    weights: &'a [Weight],
    cache: Option<&'a mut Cache>,
    tokens: &'a [u32],
    choosing: &'a mut Choosing,
}

impl Pass<'_> {
    /// Decodes one row of a matrix.
    fn row(&self, weight: WeightId) -> impl Fn(u32, &mut [f32]) {
        let Weight { layout, parts } = &self.weights[weight.0];
        let packed = Packed { layout, parts };
        move |output, values: &mut [f32]| packed.row(output, values)
    }

    fn vector(&self, weight: WeightId) -> Vec<f32> {
        let mut values = vec![0.0; self.weights[weight.0].layout.inputs as usize];
        self.row(weight)(0, &mut values);
        values
    }

    fn bias(&self, epilogue: &Epilogue) -> Vec<f32> {
        epilogue.bias.map_or_else(Vec::new, |bias| self.vector(bias))
    }

    /// Rows with a norm applied, side by side.
    fn normed(&self, rows: usize, x: Rows, norm: Option<&Norm>) -> Vec<f32> {
        let mut normed = vec![0.0; rows * x.width];
        let to = RowsMut::whole(&mut normed, x.width);
        match norm {
            None => {
                let mut to = to;
                for t in 0..rows {
                    to.row(t).copy_from_slice(x.row(t));
                }
            }
            Some(Norm::Rms { gain, epsilon }) => rms_norm::reference(rows, x, &self.vector(*gain), *epsilon, to),
            Some(Norm::Layer { gain, bias, epsilon }) => {
                layer_norm::reference(rows, x, &self.vector(*gain), &self.vector(*bias), *epsilon, to);
            }
        }
        normed
    }

    /// Splits rows `x` at `place` (how many, and the first one's position) into heads.
    fn heads(
        &mut self,
        place: (usize, usize),
        x: Rows,
        (norms, rotation): (Option<HeadNorms>, Option<Rotation>),
        layer: u32,
        to: RowsMut,
    ) -> Result<()> {
        let gains = norms.map(|norms| (self.vector(norms.queries), self.vector(norms.keys), norms.epsilon));
        let norms = gains.as_ref().map(|(queries, keys, epsilon)| (&queries[..], &keys[..], *epsilon));
        let table = rotation.map(|rotation| self.vector(rotation.table));
        let turns = rotation.iter().zip(&table);
        let turns = turns.map(|(by, table)| (&table[..], by.rotary as usize, by.pairing)).next();
        let Cache { shape, format, layers } = self.cache()?;
        heads::reference(place, x, (norms, turns), (*shape, *format, &mut layers[layer as usize]), to);
        Ok(())
    }

    fn indices(&self, index: Index, live: Live) -> Vec<u32> {
        match index {
            Index::Token => self.tokens.to_vec(),
            Index::Position => (live.position..live.position + live.rows).collect(),
        }
    }

    fn cache(&mut self) -> Result<&mut Cache> {
        self.cache.as_deref_mut().ok_or_else(|| Error::Device("the cache was not made before the run".into()))
    }

    fn step(&mut self, run: &mut Run, i: usize) -> Result<()> {
        let y = run.plan.steps[i].output();
        // The tensor that is written is taken out, so that the others can be read meanwhile.
        let mut out = y.map(|y| std::mem::take(&mut run.tensors[y.0])).unwrap_or_default();
        let done = self.carry_out(run, i, &mut out);
        if let Some(y) = y {
            run.tensors[y.0] = out;
        }
        done
    }

    fn carry_out(&mut self, run: &Run, i: usize, out: &mut [f32]) -> Result<()> {
        let Run { plan, tensors, live } = run;
        let step = &plan.steps[i];
        let whole = |tensor: Tensor| plan.whole(tensor);
        let read = |x: View| Rows::new(&tensors[x.tensor.0], plan.info(x.tensor).width as usize, x);
        let rows = step.output().map_or(live.rows, |y| plan.live_rows(y, *live)) as usize;
        let position = live.position as usize;
        let nothing = View { tensor: Tensor(0), start: 0, width: 0 };
        let target = match step {
            Step::Matmul { y, .. } | Step::Pointwise { y, .. } => *y,
            other => other.output().map_or(nothing, whole),
        };
        let to = RowsMut::new(out, plan.info(target.tensor).width as usize, target);
        match step {
            Step::Embed { table, index, combine, .. } => {
                let indices = self.indices(*index, *live);
                let outputs = self.weights[table.0].layout.outputs;
                if let Some(row) = indices.iter().find(|row| **row >= outputs) {
                    return Err(Error::Option(format!("{index:?} {row} is beyond a table of {outputs}")));
                }
                embed::reference(self.row(*table), &indices, *combine, to);
            }
            Step::RmsNorm { x, gain, epsilon, .. } => {
                rms_norm::reference(rows, read(*x), &self.vector(*gain), *epsilon, to);
            }
            Step::LayerNorm { x, gain, bias, epsilon, .. } => {
                let (gain, bias) = (self.vector(*gain), self.vector(*bias));
                layer_norm::reference(rows, read(*x), &gain, &bias, *epsilon, to);
            }
            Step::Matmul { x, norm, matrix, epilogue: e, .. } => {
                let (normed, bias) = (self.normed(rows, read(*x), norm.as_ref()), self.bias(e));
                let x = Rows::whole(&normed, x.width as usize);
                matmul::reference(rows, x, self.row(*matrix), &bias, e.activation, e.combine, to);
            }
            Step::Gated { x, norm, matrix, bias, activation, .. } => {
                let normed = self.normed(rows, read(*x), norm.as_ref());
                let bias = bias.map_or_else(Vec::new, |bias| self.vector(bias));
                let x = Rows::whole(&normed, x.width as usize);
                matmul::gated_reference(rows, x, self.row(*matrix), &bias, *activation, to);
            }
            Step::Pointwise { x, epilogue: e, .. } => {
                pointwise::reference(rows, read(*x), &self.bias(e), e.activation, e.combine, to);
            }
            Step::Rope { x, table, head_width, rotary, pairing, .. } => {
                let widths = (*head_width as usize, *rotary as usize);
                rope::reference(rows, position, read(*x), &self.vector(*table), widths, *pairing, to);
            }
            Step::Store { x, layer, side } => {
                let Cache { shape, format, layers } = self.cache()?;
                let cache = &mut layers[*layer as usize][usize::from(*side == Side::Values)];
                store::reference(rows, position, read(*x), *shape, *format, cache);
            }
            Step::Heads { x, layer, norms, rotation, .. } => {
                self.heads((rows, position), read(*x), (*norms, *rotation), *layer, to)?;
            }
            Step::MatmulHeads { x, norm, matrix, bias, rotation, layer, .. } => {
                let normed = self.normed(rows, read(*x), norm.as_ref());
                let bias = bias.map_or_else(Vec::new, |bias| self.vector(bias));
                let width = self.weights[matrix.0].layout.outputs as usize;
                let (x, mut made) = (Rows::whole(&normed, x.width as usize), vec![0.0; rows * width]);
                let (activation, combine) = (Activation::Identity, Combine::Store);
                let into = RowsMut::whole(&mut made, width);
                matmul::reference(rows, x, self.row(*matrix), &bias, activation, combine, into);
                self.heads((rows, position), Rows::whole(&made, width), (None, *rotation), *layer, to)?;
            }
            Step::Attention { q, layer, scale, .. } => {
                let Cache { shape, layers, .. } = self.cache()?;
                let [keys, values] = &layers[*layer as usize];
                attention::reference((rows, position), read(*q), (keys, values), *shape, *scale, to);
            }
            Step::LastRow { x, .. } => last_row::reference(live.rows as usize, read(*x), to),
            Step::Choose { logits, .. } => {
                let chosen = self.choosing.sample(&mut read(*logits).row(0).to_vec())?;
                let mut to = to;
                let words = choose::encode(&chosen).into_iter().map(f32::from_bits);
                to.row(live.slot as usize).iter_mut().zip(words).for_each(|(to, word)| *to = word);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::plan::Builder;
    use crate::weights::Shape;

    const CACHE: CacheShape = CacheShape { layers: 1, kv_heads: 1, head_width: 4, context: 8 };

    #[test]
    fn a_run_that_is_refused_spoils_nothing() {
        let (mut cpu, mut catalogue) = (Reference::default(), Catalogue::default());
        let layout = Layout::new(Format::F32, Shape::Matrix { outputs: 10, inputs: 4 }, 1 << 20).unwrap();
        cpu.allocate("table", &layout).unwrap();
        let table = catalogue.add("table", layout);
        let mut p = Builder::new(&catalogue, 2, CACHE);
        let x = p.embed(table);
        p.store(x, x, 0);
        let plan = p.finish(x);
        let prepared = cpu.prepare(&plan, &catalogue).unwrap();
        assert_eq!(cpu.choice(prepared).unwrap_err().code(), "device");
        assert_eq!(cpu.logits(prepared).unwrap_err().code(), "device");
        let refused = cpu.run(prepared, &[3, 10], 0, Readback::Logits).unwrap_err();
        assert_eq!(refused.to_string(), "token 10 is beyond the vocabulary of 10");
        assert!(cpu.run(prepared, &[3, 9], 0, Readback::Logits).unwrap_err().to_string().contains("cache"));
        cpu.allocate_cache(CACHE, CacheFormat::F32).unwrap();
        assert_eq!(cpu.run(prepared, &[3, 9], 0, Readback::Choice).unwrap_err().code(), "device");
        cpu.run(prepared, &[3, 9], 0, Readback::Logits).unwrap();
        assert_eq!(cpu.logits(prepared).unwrap().len(), 8);
    }

    #[test]
    fn what_memory_cannot_hold_is_an_error() {
        let shape = CacheShape { context: i32::MAX as u32, kv_heads: 1 << 10, head_width: 1 << 10, layers: 1 };
        let error = Reference::default().allocate_cache(shape, CacheFormat::F32).unwrap_err();
        assert_eq!(error.code(), "out-of-memory");
        assert!(error.to_string().contains("2147483647"), "{error}");
    }
}
