//! Which tensors of a plan may share memory: a tensor's slot is free again after its last use.

use super::*;
use crate::kernels::stride;

/// The memory of a plan's tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// The slot of each tensor; none for a tensor that no step uses.
    pub of: Vec<Option<usize>>,
    /// Values in each slot: rows times stride.
    pub lengths: Vec<usize>,
}

impl Slots {
    /// Shares slots only among tensors of equal rows and width, so that the padding of rows stays zero.
    pub fn new(plan: &Plan) -> Slots {
        let uses = uses(plan);
        let mut slots = Slots { of: vec![None; plan.tensors.len()], lengths: Vec::new() };
        let mut free: Vec<(u32, u32, usize)> = Vec::new();
        for step in 0..plan.steps.len() {
            let shape = |tensor: usize| (plan.rows_of(Tensor(tensor)), plan.tensors[tensor].width);
            for tensor in (0..uses.len()).filter(|&tensor| uses[tensor].is_some_and(|(first, _)| first == step)) {
                let (rows, width) = shape(tensor);
                let found = free.iter().position(|&(r, w, _)| (r, w) == (rows, width));
                let slot = match found {
                    Some(place) => free.swap_remove(place).2,
                    None => {
                        slots.lengths.push(rows as usize * stride(plan, Tensor(tensor)) as usize);
                        slots.lengths.len() - 1
                    }
                };
                slots.of[tensor] = Some(slot);
            }
            for tensor in (0..uses.len()).filter(|&tensor| uses[tensor].is_some_and(|(_, last)| last == step)) {
                let (rows, width) = shape(tensor);
                free.extend(slots.of[tensor].map(|slot| (rows, width, slot)));
            }
        }
        slots
    }
}

/// First and last step that uses each tensor. One that is read before it is written is filled from outside and lives from
/// the start; the logits and the choice live to the end.
fn uses(plan: &Plan) -> Vec<Option<(usize, usize)>> {
    let mut uses: Vec<Option<(usize, usize)>> = vec![None; plan.tensors.len()];
    for (i, step) in plan.steps.iter().enumerate() {
        for (tensor, first) in [(step.input(), 0), (step.output(), i)] {
            let Some(Tensor(tensor)) = tensor else { continue };
            uses[tensor] = Some((uses[tensor].map_or(first, |(first, _)| first), i));
        }
    }
    for kept in [plan.logits].into_iter().chain(plan.choice) {
        if let Some(Some((_, last))) = uses.get_mut(kept.0) {
            *last = plan.steps.len();
        }
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::weights::{Catalogue, Layout, Shape};

    #[test]
    fn a_slot_is_used_again_after_the_last_use_and_never_within_a_step() {
        let mut catalogue = Catalogue::default();
        let layout = |shape| Layout::new(Format::F32, shape, 1 << 27).unwrap();
        let table = catalogue.add("table", layout(Shape::Matrix { outputs: 50, inputs: 40 }));
        let square = catalogue.add("square", layout(Shape::Matrix { outputs: 40, inputs: 40 }));
        let cache = CacheShape { layers: 1, kv_heads: 1, head_width: 40, context: 8 };
        let mut builder = Builder::new(&catalogue, 1, cache);
        let mut x = builder.embed(table);
        for _ in 0..10 {
            x = builder.matmul("y", x, square);
        }
        let x = builder.output_rows(x, Output::Last);
        let logits = builder.matmul("logits", x, table);
        let plan = builder.finish(logits);
        let slots = Slots::new(&plan);
        assert_eq!(slots.lengths.len(), 4, "two for the chain, one for the logits, one for the choice");
        for step in &plan.steps {
            let place = |tensor: Option<Tensor>| tensor.and_then(|tensor| slots.of[tensor.0]);
            assert_ne!(place(step.input()), place(step.output()));
        }
    }
}
