//! Fusions of passes of one row, where starting a kernel costs as much as running it: a norm into the matmuls that read
//! it, a gate into the matmul that makes both of its halves, and the split into heads into the matmul of all of them.

use crate::kernels::matvec;
use crate::plan::{Activation, Combine, Epilogue, Norm, Plan, Step, Tensor, View};
use crate::weights::Catalogue;

/// Applies them wherever a step works on one row.
pub fn fuse(plan: &mut Plan, catalogue: &Catalogue) {
    while let Some((matmul, act, multiply, gated)) = (0..plan.steps.len()).find_map(|i| find_gate(plan, catalogue, i)) {
        plan.steps[matmul] = gated;
        plan.steps.remove(multiply);
        plan.steps.remove(act);
    }
    while let Some((at, norm, x, readers)) = (0..plan.steps.len()).find_map(|i| find_norm(plan, i)) {
        for reader in readers {
            if let Step::Matmul { x: read, norm: folded, .. } | Step::Gated { x: read, norm: folded, .. } =
                &mut plan.steps[reader]
            {
                (*read, *folded) = (x, Some(norm));
            }
        }
        plan.steps.remove(at);
    }
    while let Some((at, step)) = (0..plan.steps.len()).find_map(|i| find_heads(plan, catalogue, i)) {
        plan.steps[at] = step;
        plan.steps.remove(at + 1);
    }
}

fn is_whole(plan: &Plan, view: View) -> bool {
    view.start == 0 && view.width == plan.info(view.tensor).width
}

/// Steps after `from` that read `tensor`.
fn readers(plan: &Plan, from: usize, tensor: Tensor) -> Vec<usize> {
    (from + 1..plan.steps.len()).filter(|&i| plan.steps[i].input() == Some(tensor)).collect()
}

/// Steps other than `writer` that write `tensor`.
fn other_writers(plan: &Plan, writer: usize, tensor: Tensor) -> Vec<usize> {
    (0..plan.steps.len()).filter(|&i| i != writer && plan.steps[i].output() == Some(tensor)).collect()
}

/// A norm at `at`, what it norms, and the matmuls that read it, where nothing else does.
fn find_norm(plan: &Plan, at: usize) -> Option<(usize, Norm, View, Vec<usize>)> {
    let (x, norm, y) = match plan.steps[at] {
        Step::RmsNorm { x, gain, groups: 1, epsilon, y } => (x, Norm::Rms { gain, epsilon }, y),
        Step::LayerNorm { x, gain, bias, epsilon, y } => (x, Norm::Layer { gain, bias, epsilon }, y),
        _ => return None,
    };
    let readers = readers(plan, at, y);
    let takes_norm =
        |&i: &usize| matches!(plan.steps[i], Step::Matmul { norm: None, .. } | Step::Gated { norm: None, .. });
    let last = *readers.last()?;
    let unchanged = plan.steps[at + 1..last].iter().all(|step| step.output() != Some(x.tensor));
    // A matmul that adds to what it norms would change it under the lanes that still read.
    let apart = readers.iter().all(|&i| plan.steps[i].output() != Some(x.tensor));
    let fits = plan.rows_of(y) == 1
        && is_whole(plan, x)
        && readers.iter().all(takes_norm)
        && unchanged
        && apart
        && other_writers(plan, at, y).is_empty()
        && y != plan.logits;
    fits.then_some((at, norm, x, readers))
}

/// A matmul at `at` whose two halves meet in a gate: its place, those of the activation and of the product, and the one
/// step for all.
fn find_gate(plan: &Plan, catalogue: &Catalogue, at: usize) -> Option<(usize, usize, usize, Step)> {
    let Step::Matmul { x, norm, matrix, epilogue, y: made } = plan.steps[at] else { return None };
    let Epilogue { bias, activation: Activation::Identity, combine: Combine::Store } = epilogue else { return None };
    let [act, multiply] = readers(plan, at, made.tensor)[..] else { return None };
    let Step::Pointwise { x: gate, epilogue: first, y } = plan.steps[act] else { return None };
    let Step::Pointwise { x: up, epilogue: second, y: product } = plan.steps[multiply] else { return None };
    let half = made.width / 2;
    let halves = (gate.start, gate.width, up.start, up.width) == (0, half, half, half) && made.width == 2 * half;
    let plain = Epilogue { combine: Combine::Multiply, ..Epilogue::NONE };
    let gated = (first.bias, first.combine) == (None, Combine::Store) && second == plain && product == y;
    let alone = other_writers(plan, at, made.tensor).is_empty() && made.tensor != plan.logits;
    let fits = plan.rows_of(y.tensor) == 1
        && is_whole(plan, made)
        && is_whole(plan, y)
        && halves
        && gated
        && alone
        && catalogue.layout(matrix).parts.len() == 1;
    let step = Step::Gated { x, norm, matrix, bias, activation: first.activation, y: y.tensor };
    fits.then_some((at, act, multiply, step))
}

/// A matmul at `at` that only the step behind it reads, to split it into heads: its place, and the one step for both.
fn find_heads(plan: &Plan, catalogue: &Catalogue, at: usize) -> Option<(usize, Step)> {
    let Step::Matmul { x, norm, matrix, epilogue, y: made } = plan.steps[at] else { return None };
    let Epilogue { bias, activation: Activation::Identity, combine: Combine::Store } = epilogue else { return None };
    let Step::Heads { x: heads, layer, norms: None, rotation, y } = *plan.steps.get(at + 1)? else { return None };
    let fits = plan.rows_of(y) == 1
        && heads == made
        && readers(plan, at, made.tensor) == [at + 1]
        && other_writers(plan, at, made.tensor).is_empty()
        && catalogue.layout(matrix).parts.len() == 1
        && matvec::serves_heads(plan.cache, norm.as_ref(), rotation);
    fits.then_some((at, Step::MatmulHeads { x, norm, matrix, bias, rotation, layer, y }))
}
