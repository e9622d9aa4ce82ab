//! The sampler against distributions computed by hand, each option alone and together, and at its edges.

use super::*;

/// Logits of the probabilities 0.5, 0.25, 0.125 and 0.125, not in that order.
fn logits() -> Vec<f32> {
    [0.125, 0.5, 0.125, 0.25].map(f32::ln).to_vec()
}

/// How often each token is drawn at the first 20,000 places.
fn shares(options: &Options, logits: &[f32]) -> Vec<f64> {
    let draws = 20_000;
    let mut sampler = Sampler::new(options).unwrap();
    let mut counts = vec![0; logits.len()];
    let mut generated = Vec::new();
    for _ in 0..draws {
        let token = sampler.sample(&mut logits.to_vec(), &[], &generated).unwrap().token;
        counts[token as usize] += 1;
        generated.push(u32::MAX);
    }
    counts.into_iter().map(|count| f64::from(count) / f64::from(draws)).collect()
}

/// 20,000 draws of a probability near 0.5 have a standard deviation of 0.0035.
fn assert_shares(options: &Options, expected: &[f64]) {
    let shares = shares(options, &logits());
    for (share, expected) in shares.iter().zip(expected) {
        let exact = *expected == 0.0 || *expected == 1.0;
        assert!((share - expected).abs() <= if exact { 0.0 } else { 0.012 }, "{options:?}: {shares:?}");
    }
}

fn warm() -> Options {
    Options { temperature: 1.0, seed: 42, ..Options::default() }
}

#[test]
fn draws_by_the_models_own_probabilities() {
    assert_shares(&warm(), &[0.125, 0.5, 0.125, 0.25]);
    assert_shares(&Options { seed: 43, ..warm() }, &[0.125, 0.5, 0.125, 0.25]);
}

#[test]
fn temperature_sharpens_and_flattens() {
    // At 0.5 probabilities are squared: 1/64, 16/64, 1/64, 4/64, of 22/64.
    assert_shares(&Options { temperature: 0.5, ..warm() }, &[1.0 / 22.0, 16.0 / 22.0, 1.0 / 22.0, 4.0 / 22.0]);
    assert_shares(&Options { temperature: 100.0, ..warm() }, &[0.2482, 0.2517, 0.2482, 0.2500]);
    assert_shares(&Options { temperature: 1e-30, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn top_k_keeps_so_many_and_the_lower_id_among_equals() {
    assert_shares(&Options { top_k: 1, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
    assert_shares(&Options { top_k: 2, ..warm() }, &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    assert_shares(&Options { top_k: 3, ..warm() }, &[1.0 / 7.0, 4.0 / 7.0, 0.0, 2.0 / 7.0]);
    for top_k in [4, 5, u32::MAX] {
        assert_shares(&Options { top_k, ..warm() }, &[0.125, 0.5, 0.125, 0.25]);
    }
}

#[test]
fn top_p_keeps_the_token_that_reaches_it() {
    for top_p in [0.0, 1e-6, 0.49] {
        assert_shares(&Options { top_p, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
    }
    assert_shares(&Options { top_p: 0.6, ..warm() }, &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    assert_shares(&Options { top_p: 0.8, ..warm() }, &[1.0 / 7.0, 4.0 / 7.0, 0.0, 2.0 / 7.0]);
    assert_shares(&Options { top_p: 0.9, ..warm() }, &[0.125, 0.5, 0.125, 0.25]);
}

#[test]
fn top_p_sorts_on_where_the_distribution_is_flat() {
    let logits = vec![0.0; 1000];
    let mut sampler = Sampler::new(&Options { top_p: 0.7, ..warm() }).unwrap();
    sampler.sample(&mut logits.clone(), &[], &[]).unwrap();
    let kept: Vec<u32> = sampler.candidates.iter().map(|candidate| candidate.token).collect();
    assert_eq!(kept, (0..700).collect::<Vec<u32>>());
}

#[test]
fn min_p_is_measured_against_the_likeliest() {
    assert_shares(&Options { min_p: 1.0, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
    assert_shares(&Options { min_p: 0.4, ..warm() }, &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    assert_shares(&Options { min_p: 0.2, ..warm() }, &[0.125, 0.5, 0.125, 0.25]);
    let equal = Options { min_p: 1.0, ..warm() };
    assert!(shares(&equal, &[2.0, 2.0]).iter().all(|share| (0.48..0.52).contains(share)));
}

#[test]
fn top_k_goes_before_top_p_and_top_p_before_min_p() {
    // Of the two that top-k leaves the first alone has 2/3, which is more than 0.6.
    assert_shares(&Options { top_k: 2, top_p: 0.6, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
    // Temperature first: squared, the likeliest has 16/22.
    assert_shares(&Options { temperature: 0.5, top_p: 0.7, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
    assert_shares(&Options { temperature: 0.5, min_p: 0.3, ..warm() }, &[0.0, 1.0, 0.0, 0.0]);
    assert_shares(&Options { top_p: 0.8, min_p: 0.4, ..warm() }, &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
}

fn penalised(options: &Options, logits: &[f32], prompt: &[u32], generated: &[u32]) -> Vec<f32> {
    let mut logits = logits.to_vec();
    let mut sampler = Sampler::new(options).unwrap();
    sampler.sample(&mut logits, prompt, generated).unwrap();
    assert!(sampler.counts.iter().all(|count| *count == 0));
    logits
}

#[test]
fn the_repetition_penalty_counts_a_token_once_wherever_it_stands() {
    let options = Options { repetition_penalty: 2.0, ..Options::default() };
    let logits = [3.0, -3.0, 0.0, 1.0, f32::NEG_INFINITY];
    let expected = [1.5, -6.0, 0.0, 1.0, f32::NEG_INFINITY];
    assert_eq!(penalised(&options, &logits, &[0, 0, 4, 99], &[0, 1, 2, 1]), expected);
    assert_eq!(penalised(&options, &logits, &[], &[]), logits);
}

#[test]
fn frequency_and_presence_count_only_what_was_generated() {
    let options = Options { frequency_penalty: 0.5, presence_penalty: 0.25, ..Options::default() };
    let logits = [3.0, 3.0, 3.0, 3.0];
    assert_eq!(penalised(&options, &logits, &[3, 3], &[0, 1, 1, 99, 1]), [2.25, 1.25, 3.0, 3.0]);
    let options = Options { frequency_penalty: -0.5, ..options };
    assert_eq!(penalised(&options, &logits, &[], &[2, 2])[2], 3.75);
}

#[test]
fn penalties_change_what_greedy_takes_and_cannot_overflow() {
    let options = Options { repetition_penalty: 1.5, ..Options::default() };
    let mut sampler = Sampler::new(&options).unwrap();
    assert_eq!(sampler.sample(&mut [1.0, 0.9], &[0], &[]).unwrap().token, 1);
    let options = Options { repetition_penalty: 0.01, temperature: 1.0, ..Options::default() };
    let mut sampler = Sampler::new(&options).unwrap();
    assert_eq!(sampler.sample(&mut [f32::MAX, 0.0], &[0], &[]).unwrap().token, 0);
}

#[test]
fn a_bias_comes_first_and_cannot_bring_back_what_is_impossible() {
    let options = Options { logit_bias: vec![(0, 100.0), (2, 1.5), (3, -100.0), (99, 1.0)], ..Options::default() };
    let logits = [f32::NEG_INFINITY, 1.0, 0.5, 3.0];
    assert_eq!(penalised(&options, &logits, &[], &[]), [f32::NEG_INFINITY, 1.0, 2.0, -97.0]);
    // Then the penalty, of what it has become.
    let options = Options { repetition_penalty: 2.0, ..options };
    assert_eq!(penalised(&options, &logits, &[2, 3], &[]), [f32::NEG_INFINITY, 1.0, 1.0, -194.0]);
    assert!(options.check_vocab(100).is_ok());
    let error = options.check_vocab(99).unwrap_err();
    assert_eq!(error.to_string(), "logit_bias names token 99, which is outside the vocabulary of 99");
}

#[test]
fn log_probabilities_are_the_models_own() {
    let ask = |top_logprobs, logits: &[f32]| {
        let bias = vec![(2, 50.0)];
        let options = Options { logit_bias: bias, temperature: 0.3, top_k: 2, top_logprobs, ..warm() };
        Sampler::new(&options).unwrap().sample(&mut logits.to_vec(), &[1], &[]).unwrap()
    };
    let ln = |p: f64| p.ln() as f32;
    let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    assert_eq!(ask(None, &logits()), Chosen { token: 2, logprob: None, top: Vec::new() });
    let alone = ask(Some(0), &logits());
    assert_eq!((alone.token, alone.top.len()), (2, 0));
    near(alone.logprob.unwrap(), ln(0.125));
    let all = ask(Some(20), &logits());
    assert_eq!(all.top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 3, 0, 2]);
    for ((_, logprob), p) in all.top.iter().zip([0.5, 0.25, 0.125, 0.125]) {
        near(*logprob, ln(p));
    }
    let masked = ask(Some(3), &[f32::NEG_INFINITY, 0.0, 0.0, f32::NEG_INFINITY]);
    assert_eq!(masked.top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn greedy_takes_the_lowest_id_among_equals() {
    for options in [Options::default(), Options { top_k: 1, ..warm() }] {
        let mut sampler = Sampler::new(&options).unwrap();
        assert_eq!(sampler.sample(&mut [1.0, 2.0, 2.0, -1.0], &[], &[]).unwrap().token, 1);
        assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY, -0.0, 0.0], &[], &[]).unwrap().token, 1);
    }
}

#[test]
fn the_same_place_gives_the_same_token() {
    let options = Options { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.01, seed: 1234, ..Options::default() };
    let logits: Vec<f32> = (0..5000).map(|n| (n as f32 * 0.37).sin() * 4.0).collect();
    let run = |sampler: &mut Sampler| {
        let mut generated = Vec::new();
        for _ in 0..50 {
            let token = sampler.sample(&mut logits.clone(), &[1, 2], &generated).unwrap().token;
            generated.push(token);
        }
        generated
    };
    let mut sampler = Sampler::new(&options).unwrap();
    let first = run(&mut sampler);
    assert_eq!(first, run(&mut sampler));
    // Taken up in the middle by another sampler, it goes on the same.
    let again = Sampler::new(&options).unwrap().sample(&mut logits.clone(), &[], &first[..20]);
    assert_eq!(again.unwrap().token, first[20]);
    let other = run(&mut Sampler::new(&Options { seed: 1235, ..options }).unwrap());
    assert_ne!(first, other);
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    for options in [Options::default(), warm()] {
        let mut sampler = Sampler::new(&options).unwrap();
        for bad in [f32::NAN, f32::INFINITY] {
            let error = sampler.sample(&mut [0.0, bad], &[], &[]).unwrap_err();
            assert!(error.to_string().contains("token 1"), "{error}");
        }
        assert!(sampler.sample(&mut [f32::NEG_INFINITY; 3], &[], &[]).is_err());
        assert!(sampler.sample(&mut [], &[], &[]).is_err());
        assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY, -5.0], &[], &[]).unwrap().token, 1);
    }
}

#[test]
fn options_out_of_range_are_named() {
    let wrong = [
        (Options { temperature: -0.1, ..warm() }, "temperature is -0.1"),
        (Options { temperature: f32::NAN, ..warm() }, "temperature is NaN"),
        (Options { top_p: 1.1, ..warm() }, "top_p is 1.1"),
        (Options { min_p: -1.0, ..warm() }, "min_p is -1"),
        (Options { repetition_penalty: 0.0, ..warm() }, "repetition_penalty is 0"),
        (Options { frequency_penalty: 3.0, ..warm() }, "frequency_penalty is 3"),
        (
            Options { presence_penalty: f32::INFINITY, ..warm() },
            "presence_penalty is inf, expected a number from -2 to 2",
        ),
        (Options { logit_bias: vec![(3, 100.5)], ..warm() }, "logit_bias of token 3 is 100.5"),
        (
            Options { logit_bias: vec![(3, 1.0), (4, 1.0), (3, 2.0)], ..warm() },
            "logit_bias names token 3 more than once",
        ),
        (
            Options { logit_bias: (0..4097).map(|token| (token, 1.0)).collect(), ..warm() },
            "logit_bias has 4097 tokens, expected at most 4096",
        ),
        (Options { top_logprobs: Some(21), ..warm() }, "top_logprobs is 21, expected a whole number from 0 to 20"),
    ];
    for (options, message) in wrong {
        let error = Sampler::new(&options).unwrap_err();
        assert_eq!(error.code(), "option");
        assert!(error.to_string().starts_with(message), "{error}");
    }
}
