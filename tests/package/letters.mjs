// A model that is none, behind the package's own worker protocol: it says letters, and notes what it was asked.

import { MessageChannel } from "node:worker_threads";

/** What it says, token by token: a letter each, the token being its code. */
const SAYS = "Paris is.";

/**
 * A `Model` of the package over it, by the package's modules. `asked` has the prompt and options of each generation;
 * `model.fail` makes the next step throw; `stepMs` is how long a step takes.
 */
export async function lettersModel({ Client, Host, Model }, { says = SAYS, stepMs = 0, context = 4096 } = {}) {
  const asked = [];
  const faults = {};
  const { port1, port2 } = new MessageChannel();
  const engine = engineOf({ asked, faults, says, stepMs, context });
  const host = new Host(
    async () => engine,
    (reply) => port2.postMessage(reply),
  );
  port2.on("message", (request) => host.receive(request));
  const worker = { postMessage: (message) => port1.postMessage(message), terminate: () => port1.close() };
  port1.on("message", (data) => worker.onmessage({ data }));
  const client = new Client(worker);
  const blob = new Blob(["GGUF"]);
  const wanted = { kind: "files", side: [], weights: [{ name: "m.gguf", place: { blob }, size: blob.size }] };
  const options = { device: "auto", precision: "auto", cache: "auto" };
  const info = await client.call("load", { wanted, options }).done;
  return { model: new Model(client, info), asked, faults };
}

function engineOf(state) {
  const nothing = () => undefined;
  const steps = { sideFile: nothing, begin: nothing, push: nothing, end: nothing, free: nothing };
  const loading = { ...steps, wanted: () => [], heldBytes: () => 0 };
  return {
    open: async () => ({ ...loading, settle: async () => undefined, finish: async () => modelOf(state) }),
    choice: () => ({ device: "cpu", reason: "it is a test" }),
    memoryBytes: () => 0,
    processorBytes: () => 0,
  };
}

function modelOf({ asked, faults, says, stepMs, context }) {
  const answers = new Map();
  const told = ({ said }) => said.map(({ text }) => text).join("");
  const result = (id, going = answers.get(id)) => {
    const { said, finishReason, prompt, cachedTokens } = going;
    const usage = { promptTokens: prompt.length, cachedTokens, completionTokens: said.length };
    const text = going.stopped ? told(going).slice(0, going.stopped.index) : told(going);
    return { text, tokens: said.map(({ token }) => token), finishReason, usage, timings: { prefillMs: 1 } };
  };
  return {
    result,
    changed: () => undefined,
    free: () => undefined,
    info: () => ({ adapter: { name: "none" }, architecture: "letters", chat: true, context }),
    tokenize: (text) => Uint32Array.from(text, (letter) => letter.codePointAt(0)),
    detokenize: (tokens) => String.fromCodePoint(...tokens),
    applyTemplate: (messages) => JSON.stringify(messages),
    end: (id) => answers.delete(id),
    start(id, prompt, options) {
      if (faults.start) throw faults.start;
      asked.push({ prompt, options });
      const shown = Array.isArray(prompt) ? prompt.map(({ content }) => content).join("|") : String(prompt);
      answers.set(id, { prompt: shown, options, said: [], finishReason: null, cachedTokens: asked.length - 1 });
    },
    async next(id) {
      await new Promise((done) => setTimeout(done, stepMs));
      if (faults.next) throw faults.next;
      return step(answers.get(id), says);
    },
  };
}

/** The next letter, or nothing at the end: of what there is to say, of `maxTokens`, or where a stop string is complete. */
function step(going, says) {
  const { said, options } = going;
  const { maxTokens = 1e9, stop = [], topLogprobs } = options;
  if (going.finishReason !== null) return undefined;
  if (said.length >= maxTokens || said.length >= says.length) {
    going.finishReason = said.length >= says.length ? "stop" : "length";
    return undefined;
  }
  const letter = says[said.length];
  const token = letter.codePointAt(0);
  said.push({ token, text: letter });
  const text = said.map(({ text }) => text).join("");
  const ended = stop.map((one) => text.indexOf(one)).filter((index) => index >= 0);
  if (ended.length > 0) {
    going.stopped = { index: Math.min(...ended) };
    going.finishReason = "stop";
    return { token, text: "" };
  }
  if (topLogprobs === undefined) return { token, text: letter };
  const alternatives = [0, 1].map((more) => ({
    token: token + more,
    text: String.fromCodePoint(token + more),
    logprob: -1 - more,
  }));
  return { token, text: letter, logprob: -1, topLogprobs: alternatives.slice(0, topLogprobs) };
}
