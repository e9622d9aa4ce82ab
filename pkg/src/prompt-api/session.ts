// A conversation in the shape of the browser's LanguageModel: its turns, what they take of the context window, and what has
// to go when that is full.

import { OrielError, type Message, type SamplingOptions } from "../index.js";
import { quotaExceeded, exception, toException } from "./errors.js";
import { assertMembers, assertPromptOptions, messagesOf, SIGNAL } from "./input.js";
import { unlessAborted, type Held } from "./shared.js";
import type { Prompt, SamplingMode, SignalOptions } from "./types.js";

/** What of the window is kept free for an answer. */
const ANSWER_SHARE = 0.125;

/** How a session came to be; only `create` and `clone` know. */
export interface Beginning {
  held: Held;
  sampling: SamplingOptions;
  samplingMode: SamplingMode | null;
  /** Never given up when the window is full. */
  initial: readonly Message[];
  turns: readonly Message[];
  usage: number;
}

/** A session. Calls take turns. */
export class LanguageModelSession extends EventTarget {
  readonly #beginning: Beginning;
  readonly #destroyed = new AbortController();
  #turns: Message[];
  #usage: number;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #onOverflow: ((event: Event) => void) | null = null;

  /** @internal */
  constructor(beginning: Beginning) {
    super();
    if (!beginning?.held) throw new TypeError("Illegal constructor: sessions come from create()");
    this.#beginning = beginning;
    this.#turns = [...beginning.turns];
    this.#usage = beginning.usage;
    this.addEventListener("contextoverflow", (event) => this.#onOverflow?.call(this, event));
  }

  /** Tokens of the conversation so far. */
  get contextUsage(): number {
    return this.#usage;
  }

  /** Tokens that there is room for. */
  get contextWindow(): number {
    return this.#beginning.held.model.info.context;
  }

  get samplingMode(): SamplingMode | null {
    return this.#beginning.samplingMode;
  }

  /** Told when old turns had to go to make room. */
  get oncontextoverflow(): ((event: Event) => void) | null {
    return this.#onOverflow;
  }
  set oncontextoverflow(handler: ((event: Event) => void) | null) {
    this.#onOverflow = typeof handler === "function" ? handler : null;
  }

  /** The answer, whole. A prompt that fails or is aborted leaves no trace. */
  async prompt(input: Prompt, options: SignalOptions = {}): Promise<string> {
    let answer = "";
    await this.#answer("prompt", input, options, options.signal, (text) => void (answer += text));
    return answer;
  }

  /** The answer as it comes; giving the stream up ends it. */
  promptStreaming(input: Prompt, options: SignalOptions = {}): ReadableStream<string> {
    const given = new AbortController();
    let over = false;
    return new ReadableStream<string>({
      start: (controller) => {
        const signal = any(given.signal, options?.signal);
        // Read or not, it goes on: others wait for their turn.
        this.#answer("promptStreaming", input, options, signal, (text) => over || controller.enqueue(text)).then(
          () => over || controller.close(),
          (error: unknown) => over || controller.error(error),
        );
      },
      cancel: (reason) => {
        over = true;
        given.abort(reason);
      },
    });
  }

  /** Adds to the conversation without an answer. */
  async append(input: Prompt, options: SignalOptions = {}): Promise<undefined> {
    assertMembers("append", options, SIGNAL);
    const added = messagesOf("append", input, this.#isEmpty());
    await this.#takeTurn(options.signal, async (signal) => {
      const usage = await this.#makeRoom(added, 0, signal);
      this.#turns.push(...added);
      this.#usage = usage;
    });
  }

  /** How many tokens more there would be with this. */
  async measureContextUsage(input: Prompt, options: SignalOptions = {}): Promise<number> {
    assertPromptOptions("measureContextUsage", options);
    const added = messagesOf("measureContextUsage", input, this.#isEmpty());
    const signal = any(this.#destroyed.signal, options.signal);
    try {
      const [before, after] = [this.#all(), this.#all(added)].map((messages) => this.#count(messages));
      const [less = 0, more = 0] = await unlessAborted(Promise.all([before, after]), signal);
      return Math.max(more - less, 0);
    } catch (error) {
      throw toException(error, "UnknownError");
    }
  }

  /** Another session that goes on from here by itself. What both have said is computed once. */
  async clone(options: SignalOptions = {}): Promise<this> {
    assertMembers("clone", options, SIGNAL);
    any(this.#destroyed.signal, options.signal).throwIfAborted();
    const Same = this.constructor as new (beginning: Beginning) => this;
    const held = this.#beginning.held.again();
    return new Same({ ...this.#beginning, held, turns: this.#turns, usage: this.#usage });
  }

  /** Ends what is going on; the model is freed with its last session. */
  destroy(): void {
    if (this.#destroyed.signal.aborted) return;
    this.#destroyed.abort(exception("AbortError", "the session was destroyed"));
    this.#beginning.held.release();
  }

  /** @internal Counts what the session begins with. */
  async begin(signal: AbortSignal | undefined): Promise<void> {
    await this.#takeTurn(signal, async (signal) => {
      this.#usage = await this.#makeRoom([], 0, signal);
    });
  }

  async #answer(
    call: string,
    input: Prompt,
    options: SignalOptions,
    signal: AbortSignal | undefined,
    tell: (text: string) => void,
  ): Promise<void> {
    assertPromptOptions(call, options);
    const added = messagesOf(call, input, this.#isEmpty());
    await this.#takeTurn(signal, async (signal) => {
      await this.#makeRoom(added, Math.ceil(this.contextWindow * ANSWER_SHARE), signal);
      const { held, sampling } = this.#beginning;
      const run = held.model.generate(merged(this.#all(added)), { ...sampling, signal });
      let told = 0;
      for await (const { text } of run) {
        told += text.length;
        if (text) tell(text);
      }
      const { text, usage } = await run.result;
      if (told < text.length) tell(text.slice(told));
      this.#turns.push(...added, { role: "assistant", content: text });
      this.#usage = usage.promptTokens + usage.completionTokens;
    });
  }

  /** One after another; what is aborted or destroyed rejects at once with the reason. */
  async #takeTurn(given: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const signal = any(this.#destroyed.signal, given);
    const turn = this.#lastTurn.then(() => {
      signal.throwIfAborted();
      return run(signal);
    });
    this.#lastTurn = turn.catch(() => undefined);
    try {
      await unlessAborted(turn, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : toException(error, "UnknownError");
    }
  }

  /**
   * Gives up the oldest turns until these messages, and an answer, have room. Gives what all of it takes.
   * @throws QuotaExceededError where they have none even so
   */
  async #makeRoom(added: readonly Message[], answer: number, signal: AbortSignal): Promise<number> {
    const kept = [...this.#turns];
    const count = () => unlessAborted(this.#count([...this.#beginning.initial, ...kept, ...added]), signal);
    let requested = await count();
    while (requested + answer > this.contextWindow && kept.length > 0) {
      // A question goes with its answer.
      do kept.shift();
      while (kept.length > 0 && kept[0]?.role !== "user");
      requested = await count();
    }
    if (requested + (answer > 0 ? 1 : 0) > this.contextWindow) throw quotaExceeded(requested, this.contextWindow);
    const gone = this.#turns.length - kept.length;
    this.#turns = kept;
    if (gone > 0) this.dispatchEvent(new Event("contextoverflow"));
    return requested;
  }

  #all(added: readonly Message[] = []): Message[] {
    return [...this.#beginning.initial, ...this.#turns, ...added];
  }

  #isEmpty(): boolean {
    return this.#beginning.initial.length + this.#turns.length === 0;
  }

  /** Tokens of a conversation as the model reads it. */
  async #count(messages: readonly Message[]): Promise<number> {
    if (messages.length === 0) return 0;
    const { model } = this.#beginning.held;
    const addGenerationPrompt = messages.at(-1)?.role === "user";
    const text = await model.applyTemplate(merged(messages), { addGenerationPrompt }).catch((error: unknown) => {
      // There are templates that refuse a conversation without a question yet.
      if (!(error instanceof OrielError) || error.code !== "template" || addGenerationPrompt) throw error;
      return messages.map(({ content }) => content).join("\n");
    });
    return (await model.tokenize(text)).length;
  }
}

/** Turns of one role after another as one: what was appended belongs to the question, and templates want an alternation. */
function merged(messages: readonly Message[]): Message[] {
  const all: Message[] = [];
  for (const { role, content } of messages) {
    const last = all.at(-1);
    if (last?.role === role) last.content += `\n${content}`;
    else all.push({ role, content });
  }
  return all;
}

function any(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}
