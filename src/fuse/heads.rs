//! Queries, keys and values side by side, each normed, rotated and stored by steps of its own -> one [`Step::Heads`].

use super::only_reader;
use crate::plan::{HeadNorms, Plan, Rotation, Side, Step, Tensor, TensorInfo, View};
use crate::weights::WeightId;

/// The plan with every layer's steps between the joined projection and the attention as one.
pub(super) fn fuse(plan: &mut Plan) {
    let mut from = 0;
    while let Some(found) = (from..plan.steps.len()).find_map(|attention| find(plan, attention)) {
        from = replace(plan, found) + 1;
    }
}

/// Where what one step replaces was found.
struct Found {
    /// The tensor of queries, keys and values, all of it.
    x: View,
    layer: u32,
    norms: Option<HeadNorms>,
    rotation: Option<Rotation>,
    /// The steps that it replaces, in order.
    replaced: Vec<usize>,
    /// The step that reads its queries.
    attention: usize,
}

/// What became of a part of a tensor on its way to the cache or to the attention.
#[derive(Default)]
struct Path {
    norm: Option<(WeightId, f32)>,
    rotation: Option<Rotation>,
    steps: Vec<usize>,
}

fn find(plan: &Plan, attention: usize) -> Option<Found> {
    let Step::Attention { q, layer, .. } = plan.steps[attention] else { return None };
    let stored = |side| last_store(plan, attention, layer, side);
    let (keys, values) = (stored(Side::Keys)?, stored(Side::Values)?);
    let (q, of_queries) = trace(plan, attention, q);
    let (k, of_keys) = trace(plan, keys, stored_view(plan, keys)?);
    let v = stored_view(plan, values)?;

    let x = plan.whole(q.tensor);
    let adjacent = k.tensor == x.tensor && v.tensor == x.tensor && (q.start, k.start) == (0, q.width);
    if !adjacent || v.start != k.start + k.width || v.start + v.width != x.width {
        return None;
    }
    let norms = match (of_queries.norm, of_keys.norm) {
        (None, None) => None,
        (Some((queries, epsilon)), Some((keys, same))) if epsilon == same => Some(HeadNorms { queries, keys, epsilon }),
        _ => return None,
    };
    if of_queries.rotation != of_keys.rotation {
        return None;
    }
    let mut replaced = [of_queries.steps, of_keys.steps, vec![keys, values]].concat();
    replaced.sort_unstable();
    let between = (replaced[0]..attention).filter(|step| !replaced.contains(step));
    let disturbs = |step: &Step| step.output() == Some(x.tensor) || reads_cache(step, layer);
    if between.map(|step| &plan.steps[step]).any(disturbs) {
        return None;
    }
    Some(Found { x, layer, norms, rotation: of_queries.rotation, replaced, attention })
}

/// Puts the one step where the last of those that it replaces stood; returns where the attention is now.
fn replace(plan: &mut Plan, found: Found) -> usize {
    let Found { x, layer, norms, rotation, replaced, attention } = found;
    let Step::Attention { q, .. } = plan.steps[attention] else { return attention };
    let y = if q.tensor == x.tensor { queries(plan, q) } else { q.tensor };
    if let Step::Attention { q, .. } = &mut plan.steps[attention] {
        *q = View { tensor: y, start: 0, width: q.width };
    }
    let (last, others) = replaced.split_last().expect("two stores at least are replaced");
    plan.steps[*last] = Step::Heads { x, layer, norms, rotation, y };
    for step in others.iter().rev() {
        plan.steps.remove(*step);
    }
    attention - others.len()
}

/// A tensor for the queries that were columns of another: `blk.0.qkv` -> `blk.0.queries`.
fn queries(plan: &mut Plan, q: View) -> Tensor {
    let of = plan.info(q.tensor);
    let scope = of.name.rsplit_once('.').map_or(String::new(), |(scope, _)| format!("{scope}."));
    plan.tensors.push(TensorInfo { name: format!("{scope}queries"), rows: of.rows, width: q.width });
    Tensor(plan.tensors.len() - 1)
}

/// The last step before `attention` that stores this half of its layer's cache.
fn last_store(plan: &Plan, attention: usize, layer: u32, side: Side) -> Option<usize> {
    let stores = |step: &Step| matches!(step, Step::Store { layer: l, side: s, .. } if (*l, *s) == (layer, side));
    plan.steps[..attention].iter().rposition(stores)
}

fn reads_cache(step: &Step, layer: u32) -> bool {
    matches!(step, Step::Attention { layer: other, .. } if *other == layer)
}

fn stored_view(plan: &Plan, store: usize) -> Option<View> {
    match plan.steps[store] {
        Step::Store { x, .. } => Some(x),
        _ => None,
    }
}

/// From what a step reads back over a rotation and a norm of its heads, as long as each result is read by the next alone.
fn trace(plan: &Plan, reader: usize, view: View) -> (View, Path) {
    let mut path = Path::default();
    let (mut view, mut reader) = (view, reader);
    while let Some(made) = plan.steps[..reader].iter().rposition(|step| step.output() == Some(view.tensor)) {
        if view != plan.whole(view.tensor) || only_reader(plan, made, view.tensor) != Some(reader) {
            break;
        }
        let head_width = plan.cache.head_width;
        match plan.steps[made] {
            Step::Rope { x, table, head_width: width, rotary, pairing, .. }
                if width == head_width && path.rotation.is_none() && path.norm.is_none() =>
            {
                path.rotation = Some(Rotation { table, rotary, pairing });
                view = x;
            }
            Step::RmsNorm { x, gain, groups, epsilon, .. } if groups * head_width == x.width && path.norm.is_none() => {
                path.norm = Some((gain, epsilon));
                view = x;
            }
            _ => break,
        }
        path.steps.push(made);
        reader = made;
    }
    (view, path)
}

#[cfg(test)]
mod tests {
    use crate::executor::Host;
    use crate::executor::Readback;
    use crate::format::Format;
    use crate::fuse::fuse;
    use crate::kernels::CacheFormat;
    use crate::plan::{Builder, CacheShape, Pairing, Plan, Step, Tensor};
    use crate::reference::Reference;
    use crate::weights::{Catalogue, Layout, Shape, Sink, WeightId};

    const HEADS: u32 = 6;
    const ROWS: u32 = 3;

    struct Case {
        cache: CacheShape,
        norms: bool,
        rotary: u32,
        pairing: Pairing,
    }

    /// Weights on an executor: a gain of queries, a gain of keys and a table of turns.
    fn weights(case: &Case) -> (Reference, Catalogue, [WeightId; 3]) {
        let (mut cpu, mut catalogue) = (Reference::default(), Catalogue::default());
        let CacheShape { head_width, context, .. } = case.cache;
        let ids = [("q_gain", head_width), ("k_gain", head_width), ("table", context * case.rotary.max(2))].map(
            |(name, width)| {
                let layout = Layout::new(Format::F32, Shape::Vector { width }, 1 << 20).unwrap();
                let id = cpu.allocate(name, &layout).unwrap();
                let values: Vec<f32> = (0..width).map(|i| (i as f32 * 0.7 + name.len() as f32).sin()).collect();
                cpu.write(id, 0, 0, bytemuck::cast_slice(&values)).unwrap();
                catalogue.add(name, layout);
                id
            },
        );
        (cpu, catalogue, ids)
    }

    fn record(case: &Case, catalogue: &Catalogue, [q_gain, k_gain, table]: [WeightId; 3]) -> (Plan, Tensor, Tensor) {
        let CacheShape { kv_heads, head_width, .. } = case.cache;
        let mut p = Builder::new(catalogue, ROWS, case.cache);
        p.scope("blk.0");
        let (wide, narrow) = (HEADS * head_width, kv_heads * head_width);
        let x = p.input("qkv", wide + 2 * narrow);
        let (mut q, mut k) = (p.slice(x, 0, wide), p.slice(x, wide, narrow));
        let v = p.slice(x, wide + narrow, narrow);
        if case.norms {
            q = p.rms_norm_heads("q_norm", q, q_gain, head_width, 1e-6);
            k = p.rms_norm_heads("k_norm", k, k_gain, head_width, 1e-6);
        }
        if case.rotary > 0 {
            q = p.rope("q_rotated", q, table, case.rotary, case.pairing);
            k = p.rope("k_rotated", k, table, case.rotary, case.pairing);
        }
        p.store(k, v, 0);
        let y = p.attention("mixed", q, 0, HEADS, 0.3);
        (p.finish(y), x.tensor, y.tensor)
    }

    fn run(cpu: &mut Reference, plan: &Plan, x: Tensor, y: Tensor) -> Vec<f32> {
        cpu.allocate_cache(plan.cache, CacheFormat::F16).unwrap();
        let prepared = cpu.prepare(plan, &Catalogue::default()).unwrap();
        let mut results = Vec::new();
        for position in [0, ROWS, 2 * ROWS] {
            let width = plan.info(x).width;
            let values: Vec<f32> = (0..ROWS * width).map(|i| ((i + position) as f32 * 1.3).cos()).collect();
            cpu.write_tensor(prepared, x, &values);
            cpu.run(prepared, &[0; ROWS as usize], position, Readback::Nothing).unwrap();
            results.extend(cpu.read_tensor(prepared, y));
        }
        results
    }

    #[test]
    fn every_combination_becomes_one_step_with_the_same_results() {
        for (kv_heads, head_width) in [(1, 5), (2, 12), (6, 64)] {
            for (norms, rotary) in [(false, 0), (false, 4), (true, 0), (true, 4), (true, head_width & !1)] {
                for pairing in [Pairing::Adjacent, Pairing::Halves] {
                    let cache = CacheShape { layers: 1, kv_heads, head_width, context: 16 };
                    let case = Case { cache, norms, rotary, pairing };
                    let (mut cpu, catalogue, ids) = weights(&case);
                    let (plan, x, y) = record(&case, &catalogue, ids);
                    let fused = fuse(&plan, &catalogue);
                    let names: Vec<_> = fused.steps.iter().map(Step::name).collect();
                    assert_eq!(names, ["heads", "attention"]);
                    assert_eq!(run(&mut cpu, &fused, x, y), run(&mut cpu, &plan, x, y));
                }
            }
        }
    }

    #[test]
    fn the_step_says_what_it_stands_for() {
        let cache = CacheShape { layers: 1, kv_heads: 2, head_width: 12, context: 16 };
        let case = Case { cache, norms: true, rotary: 8, pairing: Pairing::Halves };
        let (_, catalogue, ids) = weights(&case);
        let text = fuse(&record(&case, &catalogue, ids).0, &catalogue).describe(&catalogue);
        let first = text.lines().next().unwrap();
        let expected = "blk.0.q_rotated [rows, 72] = heads blk.0.qkv and cache.0, \
                        rms_norm * q_gain and k_gain epsilon 1e-6, rope 8 in Halves";
        assert_eq!(first, expected);
    }

    #[test]
    fn queries_and_keys_that_are_treated_unlike_stay_apart() {
        let cache = CacheShape { layers: 1, kv_heads: 2, head_width: 12, context: 16 };
        let case = Case { cache, norms: false, rotary: 8, pairing: Pairing::Halves };
        let (_, catalogue, ids) = weights(&case);
        let plan = record(&case, &catalogue, ids).0;
        let changed = |place: usize, change: &dyn Fn(&mut Step)| {
            let mut changed = plan.clone();
            change(&mut changed.steps[place]);
            assert_ne!(changed, plan);
            changed
        };
        let rotary = changed(0, &|step| {
            if let Step::Rope { rotary, .. } = step {
                *rotary = 4;
            }
        });
        let keys = changed(1, &|step| {
            if let Step::Rope { x, .. } = step {
                x.start = 0;
            }
        });
        let values = changed(3, &|step| {
            if let Step::Store { x, .. } = step {
                x.start = 0;
            }
        });
        for unlike in [rotary, keys, values] {
            assert_eq!(fuse(&unlike, &catalogue), unlike);
        }
    }
}
