//! A plan -> a plan of fewer steps with the same results.
//!
//! A matmul or pointwise step whose result is read once, by a pointwise step, takes that step's bias, activation and
//! combination into its own epilogue. So a bias, a GELU and a residual cost no step of their own. What stands between a
//! joined projection of queries, keys and values and their attention becomes one step. In passes of one row, a norm goes
//! into the matmuls that read it, and a gate into the matmul of its two halves.

mod heads;
mod single;

use crate::plan::{Activation, Combine, Epilogue, Plan, Step, Tensor, View};
use crate::weights::Catalogue;

/// The plan with every fusion applied.
#[must_use]
pub fn fuse(plan: &Plan, catalogue: &Catalogue) -> Plan {
    let mut plan = plan.clone();
    let mut from = 0;
    // What stands before a pair is joined to nothing more than it was, so the search goes on from there.
    while let Some((early, late, merged)) = find(&plan, from) {
        plan.steps[early] = merged;
        plan.steps.remove(late);
        from = early;
    }
    heads::fuse(&mut plan);
    single::fuse(&mut plan, catalogue);
    plan
}

/// The first pair of steps from `from` on that can be one, and that one: it stands where the earlier stood.
fn find(plan: &Plan, from: usize) -> Option<(usize, usize, Step)> {
    (from..plan.steps.len()).find_map(|early| {
        let (made, first) = producer(&plan.steps[early])?;
        let late = only_reader(plan, early, made.tensor)?;
        let Step::Pointwise { x, epilogue: second, y } = &plan.steps[late] else { return None };
        let untouched = |step: &Step| step.input() != Some(y.tensor) && step.output() != Some(y.tensor);
        if *x != made || !plan.steps[early + 1..late].iter().all(untouched) || y.tensor == read(&plan.steps[early]) {
            return None;
        }
        let epilogue = join(first, *second)?;
        let merged = match &plan.steps[early] {
            Step::Matmul { x, norm, matrix, .. } => {
                Step::Matmul { x: *x, norm: *norm, matrix: *matrix, epilogue, y: *y }
            }
            Step::Pointwise { x, .. } => Step::Pointwise { x: *x, epilogue, y: *y },
            _ => return None,
        };
        Some((early, late, merged))
    })
}

/// What a step with an epilogue writes, if it writes a whole new tensor.
fn producer(step: &Step) -> Option<(View, Epilogue)> {
    match step {
        Step::Matmul { epilogue, y, .. } | Step::Pointwise { epilogue, y, .. }
            if epilogue.combine == Combine::Store =>
        {
            Some((*y, *epilogue))
        }
        _ => None,
    }
}

fn read(step: &Step) -> Tensor {
    step.input().expect("matmul and pointwise steps read a tensor")
}

/// The one step that reads `tensor`, where no other than `writer` writes it and the plan does not give it out.
fn only_reader(plan: &Plan, writer: usize, tensor: Tensor) -> Option<usize> {
    if tensor == plan.logits || Some(tensor) == plan.choice {
        return None;
    }
    let mut steps = plan.steps.iter().enumerate();
    if steps.any(|(i, step)| i != writer && step.output() == Some(tensor)) {
        return None;
    }
    let mut readers = (0..plan.steps.len()).filter(|&i| plan.steps[i].input() == Some(tensor));
    let reader = readers.next()?;
    (readers.next().is_none() && reader > writer).then_some(reader)
}

/// `second` after `first` as one: bias, then activation, then combination, each at most once and in that order.
fn join(first: Epilogue, second: Epilogue) -> Option<Epilogue> {
    let plain = first.activation == Activation::Identity;
    let bias = match (first.bias, second.bias) {
        (bias, None) => bias,
        (None, bias) if plain => bias,
        _ => return None,
    };
    let activation = match (first.activation, second.activation) {
        (activation, Activation::Identity) => activation,
        (Activation::Identity, activation) => activation,
        _ => return None,
    };
    Some(Epilogue { bias, activation, combine: second.combine })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::plan::{Builder, CacheShape};
    use crate::weights::{Layout, Shape};

    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::default();
        let layout = |shape| Layout::new(Format::F32, shape, 1 << 27).unwrap();
        catalogue.add("table", layout(Shape::Matrix { outputs: 50, inputs: 40 }));
        catalogue.add("gate", layout(Shape::Matrix { outputs: 64, inputs: 40 }));
        catalogue.add("up", layout(Shape::Matrix { outputs: 64, inputs: 40 }));
        catalogue.add("down", layout(Shape::Matrix { outputs: 40, inputs: 64 }));
        catalogue.add("bias", layout(Shape::Vector { width: 40 }));
        catalogue
    }

    const CACHE: CacheShape = CacheShape { layers: 1, kv_heads: 1, head_width: 40, context: 8 };

    #[test]
    fn gate_residual_and_bias_go_into_the_matmuls() {
        let catalogue = catalogue();
        let weight = |name| catalogue.get(name).unwrap();
        let mut p = Builder::new(&catalogue, 4, CACHE);
        let x = p.embed(weight("table"));
        let gate = p.matmul("gate", x, weight("gate"));
        let gate = p.activate("act", gate, Activation::Silu);
        let up = p.matmul("up", x, weight("up"));
        p.multiply_into(gate, up);
        let down = p.matmul("down", gate, weight("down"));
        let down = p.bias("down.bias", down, Some(weight("bias")));
        p.add_into(x, down);
        let logits = p.matmul("logits", x, weight("table"));
        let plan = fuse(&p.finish(logits), &catalogue);
        let text = plan.describe(&catalogue);
        let expected = "\
x [rows, 40] = embed table[Token]
act [rows, 64] = matmul gate x |> silu
act [rows, 64] *= matmul up x
x [rows, 40] += matmul down act + bias
logits [rows, 50] = matmul table x
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_tensor_that_is_read_twice_is_kept() {
        let catalogue = catalogue();
        let weight = |name| catalogue.get(name).unwrap();
        let mut p = Builder::new(&catalogue, 4, CACHE);
        let x = p.embed(weight("table"));
        let gate = p.matmul("gate", x, weight("gate"));
        let act = p.activate("act", gate, Activation::Silu);
        p.multiply_into(act, gate);
        let down = p.matmul("down", act, weight("down"));
        let logits = p.matmul("logits", down, weight("table"));
        let plan = p.finish(logits);
        assert_eq!(fuse(&plan, &catalogue), plan);
    }
}
