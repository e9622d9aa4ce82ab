// An engine's model -> the same rows that Oriel's own benchmark reports: prompts timed to the first new token, answers
// from the first new token to the last, by the page's clock, each a few times.

/** Each of these is a single token, with the space before it, in the vocabularies of GPT-2 and SmolLM2. */
const WORDS = (
  "cat dog house tree river road book door hand light water night world city school music summer winter family " +
  "friend mother father table window garden mountain bird horse"
).split(" ");

/** Tokens of the answer that is not timed: what engines put off until their first one. */
const WARM_UP = { prompt: 8, answer: 2 };

/** The engine's first words. */
export async function warmUp(model, onToken) {
  await model.complete(` ${WORDS.at(-1)}`.repeat(WARM_UP.prompt), WARM_UP.answer, onToken);
}

/**
 * Measures `model`, which has `complete(text, tokens, onToken)`: it calls `onToken` for each new token and resolves to
 * how many tokens the text had.
 */
export async function measure(model, { prefill, decode, newTokens, runs }, tell) {
  let calls = 0;
  /** Completes a prompt that begins like none before it, so that no cache of prompts helps. */
  const time = async (tokens, answer) => {
    const text = ` ${WORDS[calls++ % WORDS.length]}`.repeat(tokens);
    const times = [performance.now()];
    const read = await model.complete(text, answer, () => times.push(performance.now()));
    if (read !== tokens) throw new Error(`a prompt of ${tokens} tokens was read as ${read}`);
    if (times.length !== answer + 1) throw new Error(`${answer} tokens were asked for, ${times.length - 1} came`);
    return { first_ms: times[1] - times[0], rest_ms: times.at(-1) - times[1] };
  };
  const repeat = async (what, tokens, answer) => {
    const all = [];
    for (let run = 1; run <= runs; run += 1) {
      tell(`${what} ${tokens}, run ${run} of ${runs}`);
      all.push(await time(tokens, answer));
    }
    return all;
  };
  const rows = { prefill: [], decode: [] };
  for (const tokens of prefill) {
    const times = (await repeat("prefill", tokens, 1)).map(({ first_ms }) => first_ms);
    const rates = times.map((ms) => (tokens / ms) * 1000);
    rows.prefill.push({ tokens, tokens_per_s: spread(rates), first_token_ms: spread(times), reason: null });
  }
  for (const positions of decode) {
    const times = (await repeat("decode", positions, newTokens)).map(({ rest_ms }) => rest_ms);
    rows.decode.push({ positions, tokens_per_s: spread(times.map((ms) => ((newTokens - 1) / ms) * 1000)), reason: null });
  }
  return rows;
}

function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  const median = (sorted[Math.floor(last / 2)] + sorted[Math.ceil(last / 2)]) / 2;
  return { median, min: sorted[0], max: sorted[last] };
}
