// oriel/openai: OpenAI's shape over a model in the page. Its clients talk to it by a `fetch` of its own.

export { createFetch } from "./openai/fetch.js";
export type { Served } from "./openai/fetch.js";
export { RequestError } from "./openai/fields.js";
export type * from "./openai/types.js";
/** @internal What `model.chat` and `model.completions` fetch at their first call. */
export { chatCompletion } from "./openai/chat.js";
/** @internal */
export { completion } from "./openai/completion.js";
