//! A plan -> a program: every step as one op or a few, over addresses.

use super::{Activations, Address, Cpu, Place, is_quantised};
use crate::format;
use crate::kernels::stride;
use crate::plan::{self, Epilogue, HeadNorms, Index, Live, Norm, Plan, Rotation, Side, Slots, Step, Tensor, View};
use crate::weights::{Catalogue, Part, WeightId};
use crate::{Error, Result};
use oriel_cpu::op::{self, BLOCK, Count, Op, Rows};
use std::collections::BTreeSet;

/// A plan in a machine.
pub struct Lowered {
    pub plan: Plan,
    /// What the machine calls its program.
    pub program: usize,
    /// Of each tensor that a step uses.
    tensors: Vec<Option<Rows>>,
    /// The last run.
    pub last: Option<Live>,
    /// Bytes of matrices that one run goes through.
    pub weight_bytes: u64,
}

impl Lowered {
    /// Where a tensor stands.
    pub fn rows(&self, tensor: Tensor) -> Rows {
        self.tensors[tensor.0].expect("a tensor that a step uses has a slot")
    }
}

/// The weights that a plan multiplies by or looks rows up in.
pub fn matrices(plan: &Plan) -> BTreeSet<WeightId> {
    let of = |step: &Step| match step {
        Step::Embed { table, .. } => Some(*table),
        other => other.matrix(),
    };
    plan.steps.iter().filter_map(of).collect()
}

/// A format by the engine's name.
pub fn format(format: format::Format) -> op::Format {
    match format {
        format::Format::F32 => op::Format::F32,
        format::Format::F16 => op::Format::F16,
        format::Format::Q8 => op::Format::Q8,
        format::Format::Q4 => op::Format::Q4,
    }
}

/// A part of a matrix.
pub fn matrix(part: &Part, place: &Place, inputs: u32) -> op::Matrix {
    let Place { values, scales, .. } = *place;
    op::Matrix { values, scales, format: format(part.format), outputs: part.outputs, inputs }
}

/// Lowers a plan over weights and a cache that stand in the machine already.
pub fn lower(cpu: &mut Cpu, plan: &Plan, catalogue: &Catalogue) -> Result<Lowered> {
    let slots = Slots::new(plan);
    let addresses: Vec<Address> =
        slots.lengths.iter().map(|length| cpu.machine.allocate(4 * *length as u64)).collect::<Result<_>>()?;
    let place = |(tensor, slot): (usize, &Option<usize>)| {
        slot.map(|slot| Rows {
            at: addresses[slot],
            stride: stride(plan, Tensor(tensor)),
            width: plan.tensors[tensor].width,
        })
    };
    let tensors: Vec<_> = slots.of.iter().enumerate().map(place).collect();
    let between = Between::new(cpu, plan, catalogue)?;
    let mut program = Program { cpu, plan, catalogue, tensors: &tensors, between, ops: Vec::new() };
    for step in &plan.steps {
        program.step(step)?;
    }
    let ops = program.ops;
    let weight_bytes = plan.weight_bytes(catalogue);
    let program = cpu.machine.take(&ops)?;
    Ok(Lowered { plan: plan.clone(), program, tensors, last: None, weight_bytes })
}

/// Room for what fused steps hold between two ops.
struct Between {
    normed: Rows,
    made: Rows,
    quantised: op::Quantised,
    scratch: Address,
    scratch_bytes: u32,
}

impl Between {
    /// As much as the greediest step needs.
    fn new(cpu: &mut Cpu, plan: &Plan, catalogue: &Catalogue) -> Result<Between> {
        let (mut inputs, mut outputs) = (0, 0);
        for matrix in plan.steps.iter().filter_map(Step::matrix) {
            let layout = catalogue.layout(matrix);
            inputs = inputs.max(layout.row_blocks() * BLOCK as u32);
            outputs = outputs.max(match plan.steps.iter().any(|step| step.matrix() == Some(matrix) && splits(step)) {
                true => layout.outputs.next_multiple_of(BLOCK as u32),
                false => 0,
            });
        }
        let rows = u64::from(plan.rows);
        let planes = if cpu.activations == Activations::Int16 { 2 } else { 1 };
        let mut room = |bytes: u64| cpu.machine.allocate(bytes.max(1));
        let blocks = inputs / BLOCK as u32;
        let quantised = op::Quantised {
            values: room(rows * u64::from(inputs) * u64::from(planes))?,
            scales: room(rows * u64::from(blocks) * 4)?,
            sums: room(rows * u64::from(blocks) * 4)?,
            blocks,
            planes,
        };
        let normed = Rows { at: room(rows * u64::from(inputs) * 4)?, stride: inputs, width: inputs };
        let made = Rows { at: room(rows * u64::from(outputs) * 4)?, stride: outputs, width: outputs };
        let capacity = cpu.cache.as_ref().and_then(|cache| cache.layers.first()).map_or(0, |layer| layer.capacity);
        let scratch_bytes = oriel_cpu::run::scratch_bytes(capacity);
        let scratch_bytes = u32::try_from(scratch_bytes).map_err(|_| Error::Memory("a context too long".into()))?;
        let threads = u64::from(cpu.machine.threads());
        let scratch = cpu.machine.allocate(threads * u64::from(scratch_bytes).max(1))?;
        Ok(Between { normed, made, quantised, scratch, scratch_bytes })
    }
}

/// Whether a step's matmul makes what the step goes on to divide.
fn splits(step: &Step) -> bool {
    matches!(step, Step::Gated { .. } | Step::MatmulHeads { .. })
}

struct Program<'a> {
    cpu: &'a Cpu,
    plan: &'a Plan,
    catalogue: &'a Catalogue,
    tensors: &'a [Option<Rows>],
    between: Between,
    ops: Vec<Op>,
}

impl Program<'_> {
    fn view(&self, view: View) -> Rows {
        let whole = self.whole(view.tensor);
        columns(whole, view.start, view.width)
    }

    fn whole(&self, tensor: Tensor) -> Rows {
        self.tensors[tensor.0].expect("a tensor that a step uses has a slot")
    }

    fn count(&self, tensor: Tensor) -> Count {
        match self.plan.info(tensor).rows {
            plan::Rows::All => Count::Live,
            plan::Rows::Last | plan::Rows::Fixed(_) => Count::One,
        }
    }

    /// The address of a vector.
    fn vector(&self, weight: WeightId) -> Address {
        self.cpu.weights[weight.0].parts[0].values
    }

    fn layer(&self, layer: u32) -> Result<op::Cache> {
        let cache = self.cpu.cache.as_ref();
        let cache = cache.ok_or_else(|| Error::Device("the cache was not made before the plan".into()))?;
        if cache.shape != self.plan.cache {
            return Err(Error::Device("the plan is made for another cache".into()));
        }
        Ok(cache.layers[layer as usize])
    }

    fn epilogue(&self, epilogue: Epilogue) -> op::Epilogue {
        op::Epilogue {
            bias: epilogue.bias.map_or(0, |bias| self.vector(bias)),
            activation: activation(epilogue.activation),
            combine: combine(epilogue.combine),
        }
    }

    fn turn(&self, norms: Option<HeadNorms>, rotation: Option<Rotation>) -> op::Turn {
        let (table, rotary, adjacent) = rotation.map_or((0, 0, 0), |rotation| {
            let adjacent = u32::from(rotation.pairing == plan::Pairing::Adjacent);
            (self.vector(rotation.table), rotation.rotary, adjacent)
        });
        op::Turn {
            query_gain: norms.map_or(0, |norms| self.vector(norms.queries)),
            key_gain: norms.map_or(0, |norms| self.vector(norms.keys)),
            epsilon: norms.map_or(0.0, |norms| norms.epsilon),
            table,
            rotary,
            adjacent,
        }
    }

    /// Rows with a norm applied, in between.
    fn normed(&mut self, x: Rows, norm: Option<Norm>, count: Count) -> Rows {
        let y = Rows { width: x.width, ..self.between.normed };
        match norm {
            None => return x,
            Some(Norm::Rms { gain, epsilon }) => {
                let gain = self.vector(gain);
                self.ops.push(Op::RmsNorm { x, gain, groups: 1, epsilon, y, count });
            }
            Some(Norm::Layer { gain, bias, epsilon }) => {
                let (gain, bias) = (self.vector(gain), self.vector(bias));
                self.ops.push(Op::LayerNorm { x, gain, bias, epsilon, y, count });
            }
        }
        y
    }

    /// A matrix, part by part, times rows.
    fn matmul(&mut self, x: Rows, id: WeightId, epilogue: op::Epilogue, y: Rows, count: Count) {
        let layout = self.catalogue.layout(id);
        let as_ints = |part: &Part| is_quantised(part.format) && self.cpu.activations != Activations::F32;
        let blocks = layout.row_blocks();
        let quantised = op::Quantised { blocks, ..self.between.quantised };
        if layout.parts.iter().any(as_ints) {
            self.ops.push(Op::Quantise { x, y: quantised, count });
        }
        for (part, place) in layout.parts.iter().zip(&self.cpu.weights[id.0].parts) {
            let matrix = matrix(part, place, layout.inputs);
            let y = columns(y, part.first_output, part.outputs);
            let bias = if epilogue.bias == 0 { 0 } else { epilogue.bias + 4 * part.first_output as usize };
            let epilogue = op::Epilogue { bias, ..epilogue };
            self.ops.push(if as_ints(part) {
                Op::MatmulInts { x: quantised, matrix, epilogue, y, count }
            } else {
                Op::MatmulFloats { x, matrix, epilogue, y, count }
            });
        }
    }

    /// A matmul whose result stands in between.
    fn made(&mut self, x: Rows, norm: Option<Norm>, id: WeightId, bias: Option<WeightId>, count: Count) -> Rows {
        let y = Rows { width: self.catalogue.layout(id).outputs, ..self.between.made };
        let x = self.normed(x, norm, count);
        let epilogue = self.epilogue(Epilogue { bias, ..Epilogue::NONE });
        self.matmul(x, id, epilogue, y, count);
        y
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let count = step.output().map_or(Count::Live, |y| self.count(y));
        match *step {
            Step::Embed { table, index, combine: by, y } => self.embed(table, index, combine(by), y),
            Step::RmsNorm { x, gain, groups, epsilon, y } => {
                let (x, y, gain) = (self.view(x), self.whole(y), self.vector(gain));
                self.ops.push(Op::RmsNorm { x, gain, groups, epsilon, y, count });
            }
            Step::LayerNorm { x, gain, bias, epsilon, y } => {
                let (x, y, gain, bias) = (self.view(x), self.whole(y), self.vector(gain), self.vector(bias));
                self.ops.push(Op::LayerNorm { x, gain, bias, epsilon, y, count });
            }
            Step::Matmul { x, norm, matrix, epilogue, y } => {
                let x = self.normed(self.view(x), norm, count);
                self.matmul(x, matrix, self.epilogue(epilogue), self.view(y), count);
            }
            Step::Gated { x, norm, matrix, bias, activation: by, y } => {
                let x = self.made(self.view(x), norm, matrix, bias, count);
                let (activation, y) = (activation(by), self.whole(y));
                self.ops.push(Op::Gate { x, activation, y, count });
            }
            Step::Pointwise { x, epilogue, y } => {
                let (x, epilogue, y) = (self.view(x), self.epilogue(epilogue), self.view(y));
                self.ops.push(Op::Pointwise { x, epilogue, y, count });
            }
            Step::Rope { x, table, head_width, rotary, pairing, y } => {
                let turn = self.turn(None, Some(Rotation { table, rotary, pairing }));
                let (x, y) = (self.view(x), self.whole(y));
                self.ops.push(Op::Rope { x, head_width, turn, y, count });
            }
            Step::Store { x, layer, side } => {
                let (x, keys, cache) = (self.view(x), u32::from(side == Side::Keys), self.layer(layer)?);
                self.ops.push(Op::Store { x, keys, cache });
            }
            Step::Heads { x, layer, norms, rotation, y } => {
                let (x, turn) = (self.view(x), self.turn(norms, rotation));
                let (cache, y) = (self.layer(layer)?, self.whole(y));
                self.ops.push(Op::Heads { x, turn, cache, y });
            }
            Step::MatmulHeads { x, norm, matrix, bias, rotation, layer, y } => {
                let x = self.made(self.view(x), norm, matrix, bias, count);
                let (turn, cache, y) = (self.turn(None, rotation), self.layer(layer)?, self.whole(y));
                self.ops.push(Op::Heads { x, turn, cache, y });
            }
            Step::Attention { q, layer, scale, y, .. } => {
                let Between { scratch, scratch_bytes, .. } = self.between;
                let (q, cache, y) = (self.view(q), self.layer(layer)?, self.whole(y));
                self.ops.push(Op::Attention { q, cache, scale, scratch, scratch_bytes, y });
            }
            Step::LastRow { x, y } => {
                let (x, y) = (self.view(x), self.whole(y));
                self.ops.push(Op::LastRow { x, y });
            }
            // The sampler chooses from the logits that the host reads.
            Step::Choose { .. } => {}
        }
        Ok(())
    }

    fn embed(&mut self, id: WeightId, index: Index, combine: op::Combine, y: Tensor) {
        let (layout, tokens) = (self.catalogue.layout(id), self.cpu.tokens.unwrap_or_default());
        let (by_position, count, y) = (u32::from(index == Index::Position), self.count(y), self.whole(y));
        for (part, place) in layout.parts.iter().zip(&self.cpu.weights[id.0].parts) {
            let (table, first) = (matrix(part, place, layout.inputs), part.first_output);
            self.ops.push(Op::Embed { table, first, tokens, by_position, combine, y, count });
        }
    }
}

/// Columns of rows.
fn columns(rows: Rows, start: u32, width: u32) -> Rows {
    Rows { at: rows.at + 4 * start as usize, width, ..rows }
}

fn activation(activation: plan::Activation) -> op::Activation {
    match activation {
        plan::Activation::Identity => op::Activation::Identity,
        plan::Activation::Silu => op::Activation::Silu,
        plan::Activation::GeluTanh => op::Activation::GeluTanh,
        plan::Activation::GeluErf => op::Activation::GeluErf,
        plan::Activation::Relu => op::Activation::Relu,
    }
}

fn combine(combine: plan::Combine) -> op::Combine {
    match combine {
        plan::Combine::Store => op::Combine::Store,
        plan::Combine::Add => op::Combine::Add,
        plan::Combine::Multiply => op::Combine::Multiply,
    }
}
