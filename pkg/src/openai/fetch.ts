// Requests as OpenAI's clients send them -> answers of models in this page. Nothing goes to the network.

import { OrielError, type Model } from "../index.js";
import { chatCompletion } from "./chat.js";
import { completion } from "./completion.js";
import { RequestError, isObject, show } from "./fields.js";
import type { ChunkStream, RequestOptions } from "./types.js";

/** A model, or one that is being loaded. */
export type Served = Model | PromiseLike<Model>;

type Create = (model: Model, body: unknown, options: RequestOptions) => Promise<object>;

const CREATE: Record<string, Create> = { "chat/completions": chatCompletion, completions: completion };

/**
 * A `fetch` for clients of OpenAI's API. It answers `/v1/chat/completions`, `/v1/completions` and `/v1/models` below any
 * address, and refuses everything else by 404.
 *
 * ```ts
 * const client = new OpenAI({
 *   apiKey: "-", baseURL: "https://oriel.invalid/v1", fetch: createFetch(model), dangerouslyAllowBrowser: true,
 * });
 * ```
 * @param models one that answers whatever a request calls it, or several by the names that requests may use
 */
export function createFetch(models: Served | Readonly<Record<string, Served>>): typeof globalThis.fetch {
  const names = new Names(models);
  return async (input, init) => {
    const request = new Request(input, init);
    request.signal.throwIfAborted();
    try {
      return await answer(names, request);
    } catch (error) {
      // A fetch that is given up rejects with what it was given up for.
      request.signal.throwIfAborted();
      return refused(error);
    }
  };
}

async function answer(names: Names, request: Request): Promise<Response> {
  const path = /\/v1\/(.+?)\/?$/.exec(new URL(request.url).pathname)?.[1] ?? "";
  const create = Object.hasOwn(CREATE, path) ? CREATE[path] : undefined;
  const isList = path === "models" || path.startsWith("models/");
  if (!create && !isList) {
    const known = [...Object.keys(CREATE), "models"].map((name) => `/v1/${name}`).join(", ");
    const message = `${new URL(request.url).pathname} is not answered here; what is: ${known}`;
    throw new Refusal(404, message, "unknown_url");
  }
  const method = create ? "POST" : "GET";
  if (request.method !== method) throw new Refusal(405, `${request.method} is not answered here; send ${method}`, "method");
  if (create) return created(names, request, create);
  return json(path === "models" ? names.list() : names.one(decodeURIComponent(path.slice("models/".length))));
}

async function created(names: Names, request: Request, create: Create): Promise<Response> {
  const body = await parsed(request);
  const model = await names.find(body);
  const { signal } = request;
  const made = await create(model, body, { signal });
  return Symbol.asyncIterator in made ? events(made as ChunkStream<object>, signal) : json(made);
}

async function parsed(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "the request's body is no JSON", "invalid_json");
  }
}

/** Which model a request means. */
class Names {
  readonly #only: Served | undefined;
  readonly #named: Readonly<Record<string, Served>>;
  readonly #since = Math.floor(Date.now() / 1000);

  constructor(models: Served | Readonly<Record<string, Served>>) {
    if (!isObject(models)) throw new OrielError("option", "createFetch: expected a model, or models by name");
    this.#only = isServed(models) ? models : undefined;
    this.#named = isServed(models) ? { oriel: models } : { ...models };
    if (Object.keys(this.#named).length === 0) throw new OrielError("option", "createFetch: no model is named");
  }

  find(body: unknown): Served {
    if (this.#only) return this.#only;
    const name = isObject(body) ? body["model"] : undefined;
    if (typeof name === "string" && Object.hasOwn(this.#named, name)) return this.#named[name] as Served;
    if (typeof name === "string") throw this.#unknown(name);
    throw new Refusal(400, `model is ${show(name)}; expected one of ${this.#known()}`, "option", "model");
  }

  list(): object {
    return { object: "list", data: Object.keys(this.#named).map((name) => this.one(name)) };
  }

  one(name: string): object {
    if (!Object.hasOwn(this.#named, name)) throw this.#unknown(name);
    return { id: name, object: "model", created: this.#since, owned_by: "oriel" };
  }

  #unknown(name: string): Refusal {
    return new Refusal(404, `there is no model ${show(name)} here; there are ${this.#known()}`, "model_not_found", "model");
  }

  #known(): string {
    return Object.keys(this.#named).map(show).join(", ");
  }
}

function isServed(models: Served | Readonly<Record<string, Served>>): models is Served {
  const { generate, then } = models as Record<string, unknown>;
  return typeof generate === "function" || typeof then === "function";
}

/** A request that is refused with a status. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

/** Codes that are the request's fault. */
const FAULTS: ReadonlySet<string> = new Set(["option", "unsupported", "template", "tokenizer", "context-full"]);

function refused(thrown: unknown): Response {
  const { status, recoverable, error } = described(thrown);
  // Clients try again after a 5xx by themselves, and should only where that can help.
  return json({ error }, status, { "x-should-retry": String(recoverable) });
}

/** An error as OpenAI's API tells it, and by which status. */
function described(thrown: unknown) {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof Refusal) {
    const { status, code, param } = thrown;
    return { status, recoverable: false, error: { message, type: "invalid_request_error", param, code } };
  }
  const code = thrown instanceof OrielError ? thrown.code : "engine";
  const param = thrown instanceof RequestError ? thrown.param : null;
  if (FAULTS.has(code)) {
    const named = code === "context-full" ? "context_length_exceeded" : code;
    const error = { message, type: "invalid_request_error", param, code: named };
    return { status: 400, recoverable: false, error };
  }
  const recoverable = thrown instanceof OrielError && thrown.recoverable;
  return { status: recoverable ? 503 : 500, recoverable, error: { message, type: "server_error", param, code } };
}

function json(body: object, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
}

/** Chunks as server-sent events. They are made as they are read. */
function events(stream: ChunkStream<object>, signal: AbortSignal): Response {
  const items = stream[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const event = (data: string) => encoder.encode(`data: ${data}\n\n`);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await items.next();
        controller.enqueue(event(done ? "[DONE]" : JSON.stringify(value)));
        if (done) controller.close();
      } catch (thrown) {
        if (signal.aborted) return controller.error(signal.reason);
        controller.enqueue(event(JSON.stringify({ error: described(thrown).error })));
        controller.close();
      }
    },
    cancel: () => stream.controller.abort(),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}
