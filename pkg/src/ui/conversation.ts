// What is typed, and a model -> a conversation as it grows, for whoever shows it. No framework is named here.

import { OrielError, type GenerateOptions, type Message, type Model } from "../index.js";

/** Where a conversation stands. */
export interface ChatState {
  /** The turns, without the system's words; the last one grows while it streams. */
  readonly messages: readonly Message[];
  /** `submitted`: the prompt is being read. `error`: the last answer failed; `regenerate` asks for it again. */
  readonly status: "ready" | "submitted" | "streaming" | "error";
  readonly error: OrielError | undefined;
}

/** How a conversation is led, and how its answers are generated. */
export interface ChatOptions extends GenerateOptions {
  /** What the model is told before the first turn. */
  system?: string | undefined;
}

export class Conversation {
  #state: ChatState;
  #model: Model | undefined;
  #options: ChatOptions = {};
  #going: { abort: AbortController; stop(): void } | undefined;
  readonly #listeners = new Set<() => void>();

  /** @param messages turns that were taken before */
  constructor(messages: readonly Message[] = []) {
    this.#state = { messages: [...messages], status: "ready", error: undefined };
  }

  /** The state as it is; another object whenever it has changed. */
  readonly state = (): ChatState => this.#state;

  /** Calls at each change. Gives the function that ends it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Says which model answers from now on, and how; an answer of another one is ended. */
  use(model: Model | undefined, options: ChatOptions = {}): void {
    if (model !== this.#model) this.halt();
    this.#model = model;
    this.#options = options;
  }

  /**
   * Says something. Resolves when the answer is over, however it ended: `status` and `error` say how.
   * @throws OrielError `option` without a model, and while an answer is given
   */
  readonly send = async (text: string): Promise<void> => {
    if (typeof text !== "string") throw new OrielError("option", "send: expected a text");
    await this.#answer("send", [...this.#state.messages, { role: "user", content: text }]);
  };

  /** Answers the last question again, as `send` does. */
  readonly regenerate = async (): Promise<void> => {
    const { messages } = this.#state;
    const asked = messages.map(({ role }) => role).lastIndexOf("user");
    if (asked < 0) throw new OrielError("option", "regenerate: nothing was asked yet");
    await this.#answer("regenerate", messages.slice(0, asked + 1));
  };

  /** Ends the answer after the token that it is at, and keeps it. */
  readonly stop = (): void => this.#going?.stop();

  /** Takes other turns, or none; an answer that is given is ended. */
  readonly setMessages = (messages: readonly Message[]): void => {
    this.halt();
    this.#set({ messages: [...messages], status: "ready", error: undefined });
  };

  /** Ends the answer at once, as nobody looks any more; what came of it stays. */
  halt(): void {
    const { status } = this.#state;
    this.#going?.abort.abort();
    this.#going = undefined;
    if (status === "submitted" || status === "streaming") this.#set({ ...this.#state, status: "ready" });
  }

  async #answer(call: string, turns: readonly Message[]): Promise<void> {
    if (this.#going) throw new OrielError("option", `${call}: an answer is being given; stop it first`);
    if (!this.#model) throw new OrielError("option", `${call}: the model is not there yet`);
    const { system, signal, ...sampling } = this.#options;
    const abort = new AbortController();
    const signals = signal ? [abort.signal, signal] : [abort.signal];
    const prompt = [...(system ? [{ role: "system", content: system }] : []), ...turns];
    let text = "";
    const show = (status: ChatState["status"], error?: OrielError) => {
      if (abort.signal.aborted) return;
      // One that was stopped before it began is a turn too: templates want them to alternate.
      const answer = text || status === "ready" ? [{ role: "assistant", content: text }] : [];
      this.#set({ messages: [...turns, ...answer], status, error });
    };
    try {
      const run = this.#model.generate(prompt, { ...sampling, signal: AbortSignal.any(signals) });
      const going = (this.#going = { abort, stop: () => run.stop() });
      show("submitted");
      for await (const chunk of run) {
        if (!chunk.text) continue;
        text += chunk.text;
        show("streaming");
      }
      ({ text } = await run.result);
      if (this.#going === going) this.#going = undefined;
      show("ready");
    } catch (error) {
      if (this.#going?.abort === abort) this.#going = undefined;
      show("error", error as OrielError);
    }
  }

  #set(state: ChatState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
