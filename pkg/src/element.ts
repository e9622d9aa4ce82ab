// oriel/element: a chat as an element, for pages without a build: <oriel-chat model="hf:owner/name/file.gguf"></oriel-chat>

import { View } from "./element/view.js";
import type { LoadOptions, Message, Source } from "./index.js";
import { Conversation, type ChatState } from "./ui/conversation.js";
import { Loader, type LoadState } from "./ui/loader.js";

/** What an element tells of: its model is there, an answer is over, something went wrong. */
export interface OrielChatEvents {
  "oriel-ready": CustomEvent<{ model: NonNullable<LoadState["model"]> }>;
  "oriel-answer": CustomEvent<{ messages: readonly Message[] }>;
  "oriel-error": CustomEvent<{ error: NonNullable<LoadState["error"]> }>;
}

/** Where there are no elements, as on a server, the module can be imported all the same. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * A chat with a model that loads while the element is in the page. Attributes: `model` (what `load` takes as text),
 * `system`, `device`. Styled by the parts `log`, `message`, `user`, `assistant`, `status`, `progress`, `error`, `retry`,
 * `form`, `input`, `send`, `stop`, and custom properties such as `--oriel-accent`.
 */
export class OrielChat extends Base {
  static readonly observedAttributes = ["model", "system", "device"];

  readonly #loader = new Loader();
  readonly #conversation = new Conversation();
  #view: View | undefined;
  #source: Source | undefined;
  #release: (() => void) | undefined;
  #told: { load: LoadState["status"]; chat: ChatState["status"] } = { load: "idle", chat: "ready" };

  /** What is loaded, if it is no text: a file, a blob, parts. It goes before the attribute. */
  get source(): Source | undefined {
    return this.#source ?? this.getAttribute("model") ?? undefined;
  }
  set source(source: Source | undefined) {
    this.#source = source;
    this.#update();
  }

  /** The turns so far, without the system's words. */
  get messages(): readonly Message[] {
    return this.#conversation.state().messages;
  }
  set messages(messages: readonly Message[]) {
    this.#conversation.setMessages(messages);
  }

  /** Where it stands: the model's status until that is `ready`, then the conversation's. */
  get status(): LoadState["status"] | ChatState["status"] {
    const { status } = this.#loader.state();
    return status === "ready" ? this.#conversation.state().status : status;
  }

  /**
   * Says something, as if it were typed. Resolves when the answer is over.
   * @throws OrielError `option` while there is no model, and while an answer is given
   */
  send(text: string): Promise<void> {
    return this.#conversation.send(text);
  }

  /** Ends the answer and keeps what there is. */
  stop(): void {
    this.#conversation.stop();
  }

  override focus(options?: FocusOptions): void {
    this.#view?.input.focus(options);
  }

  connectedCallback(): void {
    this.#view ??= this.#shown();
    // What was set before the element was defined stands in the setter's way.
    for (const name of ["source", "messages"] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Partial<OrielChat>)[name];
      Object.assign(this, { [name]: value });
    }
    this.#release = this.#loader.hold();
    this.#update();
  }

  disconnectedCallback(): void {
    this.#release?.();
    this.#release = undefined;
    // An element that only moves is back by the next task.
    setTimeout(() => this.isConnected || this.#conversation.halt());
  }

  attributeChangedCallback(): void {
    this.#update();
  }

  #shown(): View {
    const view = new View(this.attachShadow({ mode: "open" }), {
      send: (text) => void this.#conversation.send(text),
      stop: () => this.#conversation.stop(),
      retry: () => {
        if (this.#loader.state().status === "error") this.#loader.retry();
        else void this.#conversation.regenerate();
      },
    });
    const show = () => {
      const [load, chat] = [this.#loader.state(), this.#conversation.state()];
      view.show(load, chat);
      this.#tell(load, chat);
    };
    this.#loader.subscribe(() => {
      this.#use();
      show();
    });
    this.#conversation.subscribe(show);
    show();
    return view;
  }

  #update(): void {
    if (!this.#release) return;
    // What it is worth is load's to say.
    const device = this.getAttribute("device") as LoadOptions["device"] | null;
    this.#loader.want(this.source ?? null, device === null ? {} : { device });
    this.#use();
  }

  #use(): void {
    this.#conversation.use(this.#loader.state().model, { system: this.getAttribute("system") ?? undefined });
  }

  #tell(load: LoadState, chat: ChatState): void {
    const before = this.#told;
    this.#told = { load: load.status, chat: chat.status };
    const answered = before.chat !== chat.status && (before.chat === "submitted" || before.chat === "streaming");
    if (before.load !== load.status) {
      if (load.status === "ready" && before.load === "loading") this.#dispatch("oriel-ready", { model: load.model });
      if (load.status === "error") this.#dispatch("oriel-error", { error: load.error });
    }
    if (answered && chat.status === "ready") this.#dispatch("oriel-answer", { messages: chat.messages });
    if (before.chat !== chat.status && chat.status === "error") this.#dispatch("oriel-error", { error: chat.error });
  }

  #dispatch(name: keyof OrielChatEvents, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

if (globalThis.customElements && !customElements.get("oriel-chat")) customElements.define("oriel-chat", OrielChat);

declare global {
  interface HTMLElementTagNameMap {
    "oriel-chat": OrielChat;
  }
}
