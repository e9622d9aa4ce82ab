// OpenAI's shapes, as far as a model here can honour them: what a request may hold, and what comes back, name by name.
// Kept by hand, as the package depends on nothing; a test of types holds them to those of the package `openai`.

/** A part of a message's content. */
export interface TextPart {
  type: "text";
  text: string;
}

/** A turn of a conversation. `developer` is another word for `system`. An answer's own `message` can be sent back. */
export type ChatMessage =
  | { role: "system" | "developer" | "user"; content: string | TextPart[] }
  | { role: "assistant"; content: string | TextPart[]; refusal?: null | undefined };

/** What both kinds of request take. `null` is the same as nothing. */
export interface CommonParams {
  /** By which name the answer calls the model. There is no choice here: the model is the one that is asked. */
  model?: string | undefined;
  /** Chunks as they come, in place of one answer. */
  stream?: boolean | null | undefined;
  /** Only with `stream`: `include_usage` adds a last chunk without choices that says what the answer took. */
  stream_options?: { include_usage?: boolean | undefined; include_obfuscation?: false | undefined } | null | undefined;
  /** The most new tokens; default: as many as there is room for. */
  max_tokens?: number | null | undefined;
  /** Default 0, as `generate` has it: the likeliest token each time. */
  temperature?: number | null | undefined;
  top_p?: number | null | undefined;
  /** An extension: only the k likeliest; 0 for all. */
  top_k?: number | null | undefined;
  /** An extension: only those at least p times as likely as the likeliest. */
  min_p?: number | null | undefined;
  /** An extension: divides the logits of tokens that have occurred; 1 for none. */
  repetition_penalty?: number | null | undefined;
  presence_penalty?: number | null | undefined;
  frequency_penalty?: number | null | undefined;
  /** Added to the logits of tokens, by their numbers. */
  logit_bias?: Record<string, number> | null | undefined;
  /** Choice i of several takes seed + i; without one, each draws its own. */
  seed?: number | null | undefined;
  /** How many choices, one after another; default 1. */
  n?: number | null | undefined;
  stop?: string | string[] | null | undefined;
  /** Changes nothing here. */
  user?: string | undefined;
}

/** A request for a turn of a conversation. */
export interface ChatCompletionParams extends CommonParams {
  messages: ChatMessage[];
  /** The newer name of `max_tokens`. */
  max_completion_tokens?: number | null | undefined;
  logprobs?: boolean | null | undefined;
  /** 0 to 20, with `logprobs`: how many of the likeliest tokens are told at each place. */
  top_logprobs?: number | null | undefined;
  response_format?: { type: "text" } | undefined;
  modalities?: "text"[] | null | undefined;
  tools?: [] | undefined;
  tool_choice?: "none" | "auto" | undefined;
  /** This and what follows changes nothing here. */
  metadata?: Record<string, string> | null | undefined;
  store?: false | null | undefined;
  parallel_tool_calls?: boolean | undefined;
  prompt_cache_key?: string | null | undefined;
  prompt_cache_retention?: "in_memory" | "24h" | null | undefined;
  safety_identifier?: string | null | undefined;
  service_tier?: "auto" | "default" | null | undefined;
  reasoning_effort?: "none" | null | undefined;
  verbosity?: "medium" | null | undefined;
}

/** A request to continue a text, or several. */
export interface CompletionParams extends CommonParams {
  prompt: string | string[];
  /** The text begins with its prompt. */
  echo?: boolean | null | undefined;
  /** 0 to 5: how many of the likeliest tokens are told at each place, beside the one that was taken. */
  logprobs?: number | null | undefined;
  /** The same as `n`, where it is given. */
  best_of?: number | null | undefined;
  suffix?: null | undefined;
}

/** What a call takes besides its body. */
export interface RequestOptions {
  /** Aborts the call: `create` or the stream's loop throws. */
  signal?: AbortSignal | null | undefined;
}

/** Tokens that went in and came out; a prompt of several choices counts once. */
export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: {
    /** Those that stood in the model's cache already. */
    cached_tokens: number;
  };
}

/** The model or a stop string; the most tokens or a full context. */
export type CompletionFinishReason = "stop" | "length";

/** How likely a token was. */
export interface TopLogprob {
  token: string;
  logprob: number;
  /** Of its text; null for a token that holds only a part of a character. */
  bytes: number[] | null;
}

/** How likely the token was that was taken, and what else was likely there. */
export interface TokenLogprob extends TopLogprob {
  top_logprobs: TopLogprob[];
}

/** Logprobs of a choice, or of a chunk. */
export interface ChoiceLogprobs {
  content: TokenLogprob[];
  refusal: null;
}

/** A whole answer. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: "assistant"; content: string; refusal: null };
    logprobs: ChoiceLogprobs | null;
    finish_reason: CompletionFinishReason;
  }[];
  usage: CompletionUsage;
}

/** A piece of an answer: choices come one after another, each with its role first and its reason last. */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: "assistant"; content?: string; refusal?: null };
    logprobs: ChoiceLogprobs | null;
    finish_reason: CompletionFinishReason | null;
  }[];
  /** With `include_usage`: null, and in the last chunk, which has no choices, what the answer took. */
  usage?: CompletionUsage | null;
}

/** Logprobs of a text, place by place. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  /** Where each token begins, in UTF-16 units. */
  text_offset: number[];
}

/** A continuation, or, streamed, a piece of one. */
export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: {
    index: number;
    text: string;
    logprobs: CompletionLogprobs | null;
    finish_reason: CompletionFinishReason;
  }[];
  usage?: CompletionUsage;
}

/** As a `Completion`; a choice has its reason in its last chunk. */
export interface CompletionChunk extends Omit<Completion, "choices" | "usage"> {
  choices: (Omit<Completion["choices"][number], "finish_reason"> & { finish_reason: CompletionFinishReason | null })[];
  usage?: CompletionUsage | null;
}

/** Chunks as they come, to be read once. Leaving the loop early ends the answer. */
export interface ChunkStream<T> extends AsyncIterable<T> {
  /** Its `abort` ends the answer, and the loop without an error. */
  readonly controller: AbortController;
}

/** `model.chat` */
export interface Chat {
  readonly completions: ChatCompletions;
}

/** `model.chat.completions` */
export interface ChatCompletions {
  /**
   * Answers a conversation.
   * @throws OrielError; for a field that can't be honoured, `option` or `unsupported`, by its name.
   */
  create(body: ChatCompletionParams & { stream: true }, options?: RequestOptions): Promise<ChunkStream<ChatCompletionChunk>>;
  create(body: ChatCompletionParams & { stream?: false | null }, options?: RequestOptions): Promise<ChatCompletion>;
  create(
    body: ChatCompletionParams,
    options?: RequestOptions,
  ): Promise<ChatCompletion | ChunkStream<ChatCompletionChunk>>;
}

/** `model.completions` */
export interface Completions {
  /**
   * Continues a text, or each of several.
   * @throws OrielError; for a field that can't be honoured, `option` or `unsupported`, by its name.
   */
  create(body: CompletionParams & { stream: true }, options?: RequestOptions): Promise<ChunkStream<CompletionChunk>>;
  create(body: CompletionParams & { stream?: false | null }, options?: RequestOptions): Promise<Completion>;
  create(body: CompletionParams, options?: RequestOptions): Promise<Completion | ChunkStream<CompletionChunk>>;
}
