//! The choice of the next token on the GPU against the sampler, in every variant.
//!
//! The sampler reckons in f64, the GPU in f32 and in whole numbers, so at a border they may part: another token than the
//! sampler's is accepted only where the draw falls within 1e-5 of that token's own interval, with top-p moved by as much
//! and min-p by 1e-4 of itself (what rounding makes of a logit of 20 at a temperature of 0.1). And that must be rare.

use crate::Random;
use oriel::Result;
use oriel::executor::{Executor, Prepared, Readback};
use oriel::format::{Format, pack};
use oriel::gpu::GpuOptions;
use oriel::kernels::tuning::Choice;
use oriel::kernels::{RowVariant, Tuning};
use oriel::plan::{Builder, CacheShape, Index, Output, Plan, Step, Tensor};
use oriel::sampler::{Chosen, Options, Sampler, uniform};
use oriel::weights::{Catalogue, Layout, Shape, Sink};
use pollster::block_on;

const NO_CACHE: CacheShape = CacheShape { layers: 0, kv_heads: 1, head_width: 2, context: 4096 };
const NEVER: f32 = f32::NEG_INFINITY;

/// An executor with a plan that does nothing but choose.
struct Chooser {
    executor: Executor,
    plan: Plan,
    prepared: Prepared,
}

impl Chooser {
    fn new(mut executor: Executor, vocab: u32) -> Chooser {
        let catalogue = Catalogue::default();
        let mut p = Builder::new(&catalogue, 1, NO_CACHE);
        let x = p.input("logits", vocab);
        let logits = p.output_rows(x, Output::Last);
        let plan = p.finish(logits);
        let prepared = executor.prepare(&plan, &catalogue).unwrap();
        Chooser { executor, plan, prepared }
    }

    fn gpu(variant: RowVariant, vocab: u32) -> Chooser {
        Chooser::new(gpu(variant), vocab)
    }

    fn set(&mut self, logits: &[f32]) {
        self.executor.write_tensor(self.prepared, self.plan.logits, logits);
    }

    fn begin(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) {
        self.executor.begin_choosing(options, prompt, generated).unwrap();
    }

    fn next(&mut self) -> Result<Chosen> {
        self.executor.run(self.prepared, &[0], 0, Readback::Choice)?;
        block_on(self.executor.choices())?.remove(0)
    }
}

fn gpu(variant: RowVariant) -> Executor {
    let options = GpuOptions { tuning: Some(Tuning::default().with_row_variant(variant)), ..GpuOptions::default() };
    block_on(Executor::gpu(options)).expect("a Vulkan, Metal or DX12 adapter")
}

fn warm() -> Options {
    Options { temperature: 1.0, seed: 42, ..Options::default() }
}

/// Tokens that may be drawn, by rising id, and where the interval of each ends in [0, 1].
struct Kept(Vec<(u32, f64)>);

/// What the draws of some options may give, computed plainly: narrowed as asked, and a little more and less.
struct Oracle(Vec<Kept>);

impl Oracle {
    fn new(logits: &[f32], options: &Options) -> Oracle {
        let mut order: Vec<u32> = (0..logits.len() as u32).filter(|token| logits[*token as usize] != NEVER).collect();
        let value = |token: u32| f64::from(logits[token as usize]);
        order.sort_by(|a, b| value(*b).total_cmp(&value(*a)).then(a.cmp(b)));
        if options.top_k > 0 {
            order.truncate(options.top_k as usize);
        }
        let weight = |token: u32| ((value(token) - value(order[0])) / f64::from(options.temperature)).exp();
        let total: f64 = order.iter().map(|token| weight(*token)).sum();
        let kept = |more_p: f64, more_min: f64| {
            let (mut reached, mut kept) = (0.0, Vec::new());
            let wanted = if options.top_p < 1.0 { f64::from(options.top_p) + more_p } else { 2.0 } * total;
            for &token in &order {
                reached += weight(token);
                if weight(token) >= f64::from(options.min_p) * more_min {
                    kept.push(token);
                }
                if reached >= wanted {
                    break;
                }
            }
            kept.sort_unstable();
            let whole: f64 = kept.iter().map(|token| weight(*token)).sum();
            let mut end = 0.0;
            let interval = |token: u32| {
                end += weight(token) / whole;
                (token, end)
            };
            Kept(kept.into_iter().map(interval).collect())
        };
        let moved = [(0.0, 1.0), (1e-5, 1.0), (-1e-5, 1.0), (0.0, 1.0 + 1e-4), (0.0, 1.0 - 1e-4)];
        Oracle(moved.iter().map(|(p, min)| kept(*p, *min)).collect())
    }

    fn accepts(&self, token: u32, random: f64) -> bool {
        self.0.iter().any(|Kept(kept)| {
            let Ok(place) = kept.binary_search_by_key(&token, |(token, _)| *token) else { return false };
            let start = if place == 0 { 0.0 } else { kept[place - 1].1 };
            (start - 1e-5..kept[place].1 + 1e-5).contains(&random)
        })
    }
}

/// Rows that are hard in different ways.
fn rows(vocab: u32, random: &mut Random) -> Vec<(&'static str, Vec<f32>)> {
    let noise = random.values(vocab as usize);
    let peaked = |i: u32, x: f32| if i == vocab / 3 { 18.0 } else { x * x * x * 9.0 };
    let row = |f: &dyn Fn(u32, f32) -> f32| (0..vocab).zip(&noise).map(|(i, x)| f(i, *x)).collect::<Vec<f32>>();
    vec![
        ("noise", row(&|_, x| x * 6.0)),
        ("peaked", row(&peaked)),
        ("ties", row(&|_, x| (x * 3.0).round())),
        ("masked", row(&|i, x| if i % 3 == 1 || i + 1 == vocab && vocab > 1 { NEVER } else { x * 4.0 })),
        ("flat", row(&|_, _| -0.0)),
        ("extreme", row(&|i, x| if i % 2 == 0 { x * 3e38 } else { x * 1e-39 })),
    ]
}

fn draws() -> Vec<Options> {
    let base = warm();
    vec![
        base.clone(),
        Options { temperature: 0.1, ..warm() },
        Options { temperature: 100.0, ..warm() },
        Options { temperature: 1e-30, ..warm() },
        Options { top_k: 2, ..warm() },
        Options { top_k: 40, temperature: 0.7, ..warm() },
        Options { top_k: 300, ..warm() },
        Options { top_k: u32::MAX, ..warm() },
        Options { top_p: 0.0, ..warm() },
        Options { top_p: 0.9, ..warm() },
        Options { top_p: 0.999, temperature: 2.0, ..warm() },
        Options { min_p: 0.1, ..warm() },
        Options { min_p: 1.0, ..warm() },
        Options { top_k: 50, top_p: 0.95, min_p: 0.05, temperature: 0.8, ..warm() },
    ]
}

#[test]
fn draws_are_the_samplers() {
    let (mut tried, mut apart) = (0, 0);
    for (variant, vocab, places) in [
        (RowVariant::Shared, 1, 2),
        (RowVariant::Lane, 2, 4),
        (RowVariant::Shared, 255, 4),
        (RowVariant::Lane, 257, 4),
        (RowVariant::Shared, 1757, 6),
        (RowVariant::Lane, 1757, 6),
        (RowVariant::Subgroups, 1757, 4),
        (RowVariant::Shared, 49_152, 2),
        (RowVariant::Subgroups, 49_152, 2),
        (RowVariant::Lane, 151_937, 2),
    ] {
        let mut chooser = Chooser::gpu(variant, vocab);
        for (kind, logits) in rows(vocab, &mut Random(u64::from(vocab))) {
            chooser.set(&logits);
            for options in draws() {
                let (oracle, mut sampler) = (Oracle::new(&logits, &options), Sampler::new(&options).unwrap());
                let mut generated = vec![u32::MAX; 3];
                chooser.begin(&options, &[], &generated);
                for _ in 0..places {
                    let what = format!("{variant:?} {vocab} {kind} {options:?} place {}", generated.len());
                    let random = uniform(options.seed, generated.len() as u64);
                    let expected = sampler.sample(&mut logits.clone(), &[], &generated).unwrap().token;
                    assert!(oracle.accepts(expected, random), "{what}: the sampler's {expected}");
                    let chosen = chooser.next().unwrap().token;
                    assert!(oracle.accepts(chosen, random), "{what}: {chosen}, the sampler {expected}");
                    tried += 1;
                    apart += u32::from(chosen != expected);
                    generated.push(chosen);
                }
            }
        }
    }
    assert!(apart * 500 <= tried, "{apart} of {tried} draws were not the sampler's own");
}

#[test]
fn draws_are_distributed_as_probabilities_say() {
    let logits = [0.125f32, 0.5, 0.125, 0.25].map(f32::ln);
    let mut chooser = Chooser::gpu(RowVariant::Shared, 4);
    chooser.set(&logits);
    chooser.begin(&warm(), &[], &[]);
    let mut counts = [0; 4];
    for _ in 0..2000 {
        counts[chooser.next().unwrap().token as usize] += 1;
    }
    // Standard deviations of 15 to 22.
    for (count, expected) in counts.iter().zip([250i32, 1000, 250, 500]) {
        assert!((*count - expected).abs() < 70, "{counts:?}");
    }
}

#[test]
fn greedy_takes_the_lowest_of_the_greatest() {
    for &variant in RowVariant::ALL {
        for vocab in [1, 2, 255, 257, 1757, 49_152] {
            let mut chooser = Chooser::gpu(variant, vocab);
            for (kind, logits) in rows(vocab, &mut Random(3)) {
                chooser.set(&logits);
                for options in [Options::default(), Options { top_k: 1, ..warm() }] {
                    let expected = Sampler::new(&options).unwrap().sample(&mut logits.clone(), &[], &[]);
                    chooser.begin(&options, &[], &[]);
                    assert_eq!(chooser.next(), expected, "{variant:?} {vocab} {kind}");
                }
            }
        }
    }
}

#[test]
fn bias_and_penalties_are_the_samplers_over_a_whole_answer() {
    let vocab = 1757;
    let bias = (0..40).map(|i| (i * 43, (i % 7) as f32 - 3.0)).collect();
    let penalties = Options { repetition_penalty: 1.3, frequency_penalty: 0.5, presence_penalty: -0.25, ..warm() };
    let several = [
        Options { logit_bias: bias, temperature: 0.0, ..penalties.clone() },
        Options { top_k: 20, ..penalties.clone() },
        Options { repetition_penalty: 0.8, top_p: 0.8, ..warm() },
        Options { frequency_penalty: 2.0, temperature: 0.0, ..warm() },
        Options { logit_bias: vec![(9, 100.0), (10, -100.0), (11, 99.5)], ..warm() },
        // After those with bias and penalties: neither is left.
        warm(),
    ];
    for &variant in RowVariant::ALL {
        let mut chooser = Chooser::gpu(variant, vocab);
        let logits: Vec<f32> = Random(5).values(vocab as usize).iter().map(|x| x * 5.0).collect();
        chooser.set(&logits);
        for options in &several {
            let (prompt, mut generated) = (vec![3, 3, 700, 1756], vec![5, 5, 9]);
            let mut sampler = Sampler::new(options).unwrap();
            chooser.begin(options, &prompt, &generated);
            for _ in 0..30 {
                let mut adjusted = logits.clone();
                let expected = sampler.sample(&mut adjusted, &prompt, &generated).unwrap().token;
                // A run that is not asked for a choice is none.
                chooser.executor.run(chooser.prepared, &[0], 0, Readback::Nothing).unwrap();
                let chosen = chooser.next().unwrap().token;
                let random = uniform(options.seed, generated.len() as u64);
                let drawn = options.temperature > 0.0 && Oracle::new(&adjusted, options).accepts(chosen, random);
                assert!(chosen == expected || drawn, "{variant:?} {options:?}: {chosen}, the sampler {expected}");
                generated.push(chosen);
            }
        }
    }
}

#[test]
fn log_probabilities_are_the_models_own() {
    for (variant, vocab) in [
        (RowVariant::Shared, 2),
        (RowVariant::Lane, 257),
        (RowVariant::Shared, 1757),
        (RowVariant::Subgroups, 1757),
        (RowVariant::Lane, 49_152),
    ] {
        let mut chooser = Chooser::gpu(variant, vocab);
        for (kind, logits) in rows(vocab, &mut Random(11)) {
            chooser.set(&logits);
            for (count, options) in [(0, Options::default()), (5, warm()), (20, Options { top_k: 3, ..warm() })] {
                let logit_bias = vec![(vocab / 2, 30.0)];
                let options = Options { top_logprobs: Some(count), logit_bias, repetition_penalty: 1.5, ..options };
                let expected = Sampler::new(&options).unwrap().sample(&mut logits.clone(), &[1], &[]).unwrap();
                chooser.begin(&options, &[1], &[]);
                let chosen = chooser.next().unwrap();
                let what = format!("{variant:?} {vocab} {kind}, {count}");
                let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
                assert_eq!(chosen.top.len(), expected.top.len(), "{what}");
                for (chosen, expected) in chosen.top.iter().zip(&expected.top) {
                    assert!(chosen.0 == expected.0 && near(chosen.1, expected.1), "{what}: {chosen:?}, {expected:?}");
                }
                if chosen.token == expected.token {
                    let (chosen, expected) = (chosen.logprob.unwrap(), expected.logprob.unwrap());
                    assert!(near(chosen, expected), "{what}: {chosen}, {expected}");
                }
            }
        }
    }
}

#[test]
fn a_model_whose_numbers_overflow_is_told_from_one_that_likes_its_first_token() {
    let cases =
        [(RowVariant::Shared, 1), (RowVariant::Lane, 257), (RowVariant::Shared, 1757), (RowVariant::Subgroups, 600)];
    let gpus = cases.iter().map(|(variant, vocab)| (Chooser::gpu(*variant, *vocab), *vocab));
    for (mut chooser, vocab) in gpus.chain([(Chooser::new(Executor::reference(), 257), 257)]) {
        for options in [Options::default(), Options { top_p: 0.9, top_logprobs: Some(3), ..warm() }] {
            chooser.begin(&options, &[], &[]);
            let values = [f32::NAN, -f32::NAN, f32::INFINITY];
            for (value, place) in values.iter().flat_map(|value| [(value, 0), (value, vocab - 1)]) {
                let mut logits = vec![-1.0; vocab as usize];
                logits[place as usize] = *value;
                chooser.set(&logits);
                let code = chooser.next().unwrap_err().code();
                assert_eq!(code, "model-mismatch", "{vocab} with {value} at {place}");
            }
            chooser.set(&vec![NEVER; vocab as usize]);
            let error = chooser.next().unwrap_err();
            assert!(error.code() == "model-mismatch" && error.to_string().contains("finite"), "{error}");
            chooser.set(&vec![-1.0; vocab as usize]);
            assert!(chooser.next().unwrap().token < vocab);
        }
    }
}

#[test]
fn the_record_is_written_and_the_token_stands_where_the_next_pass_looks_it_up() {
    let vocab = 300;
    let mut executor = gpu(RowVariant::Shared);
    let mut catalogue = Catalogue::default();
    let layout =
        Layout::new(Format::F32, Shape::Matrix { outputs: vocab, inputs: 1 }, executor.binding_limit()).unwrap();
    let values: Vec<f32> = (0..vocab).map(|token| token as f32 * 2.0).collect();
    let id = executor.allocate("table", &layout).unwrap();
    executor.write(id, 0, 0, &pack(&layout, &values).unwrap()[0]).unwrap();
    let table = catalogue.add("table", layout);
    let mut p = Builder::new(&catalogue, 1, NO_CACHE);
    let x = p.input("logits", vocab);
    let logits = p.output_rows(x, Output::Last);
    let row = p.embed(table).tensor;
    let mut plan = p.finish(logits);
    let looks_up = |step: &Step| matches!(step, Step::Embed { index: Index::Token, .. });
    plan.steps.sort_by_key(looks_up);
    let prepared = executor.prepare(&plan, &catalogue).unwrap();
    let logits: Vec<f32> = (0..vocab).map(|token| if token == 271 { 4.0 } else { 0.0 }).collect();
    executor.write_tensor(prepared, x.tensor, &logits);
    executor.run(prepared, &[3], 0, Readback::Choice).unwrap();
    assert_eq!(block_on(executor.choices()).unwrap().remove(0).unwrap().token, 271);
    let read = |executor: &mut Executor, tensor: Tensor| block_on(executor.read_tensor(prepared, tensor)).unwrap();
    assert_eq!(read(&mut executor, row)[0], 542.0);
    let record: Vec<u32> = read(&mut executor, plan.choice.unwrap())[..4].iter().map(|word| word.to_bits()).collect();
    assert_eq!(record, [271, 0, 0, 0]);
}

#[test]
fn an_executor_chooses_from_one_vocabulary_and_says_so() {
    let mut chooser = Chooser::gpu(RowVariant::Shared, 10);
    let catalogue = Catalogue::default();
    let mut p = Builder::new(&catalogue, 1, NO_CACHE);
    let x = p.input("logits", 11);
    let logits = p.output_rows(x, Output::Last);
    let other = p.finish(logits);
    assert_eq!(chooser.executor.prepare(&other, &catalogue).unwrap_err().code(), "device");
    let error = gpu(RowVariant::Shared).begin_choosing(&warm(), &[], &[]).unwrap_err();
    assert_eq!(error.code(), "device");
    let wrong = Options { top_p: 2.0, ..warm() };
    assert_eq!(chooser.executor.begin_choosing(&wrong, &[], &[]).unwrap_err().code(), "option");
}
