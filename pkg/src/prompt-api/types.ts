// The shape of the browser's LanguageModel, as far as there is text: https://webmachinelearning.github.io/prompt-api

/** Whether a session can be created, and at what cost. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

export type SamplingMode = "most-predictable" | "predictable" | "balanced" | "creative" | "most-creative";

export interface ExpectedContent {
  type: "text" | (string & {});
  languages?: readonly string[] | undefined;
}

export interface PromptMessage {
  role: "system" | "user" | "assistant";
  content: string | readonly { type: "text"; value: string }[];
  /** The beginning of the answer: not supported yet. */
  prefix?: boolean | undefined;
}

/** A string is what the user says. */
export type Prompt = string | readonly PromptMessage[];

export interface CreateCoreOptions {
  /** Without it, and without the two below, the likeliest token is taken each time. */
  samplingMode?: SamplingMode | undefined;
  topK?: number | undefined;
  temperature?: number | undefined;
  expectedInputs?: readonly ExpectedContent[] | undefined;
  expectedOutputs?: readonly ExpectedContent[] | undefined;
  /** Not supported yet: must be empty. */
  tools?: readonly never[] | undefined;
}

/** Hears `downloadprogress`: `loaded` goes from 0 to 1, which is `total`. */
export interface CreateMonitor extends EventTarget {
  ondownloadprogress: ((event: ProgressEvent) => void) | null;
}

export interface CreateOptions extends CreateCoreOptions {
  initialPrompts?: readonly PromptMessage[] | undefined;
  monitor?: ((monitor: CreateMonitor) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface SignalOptions {
  signal?: AbortSignal | undefined;
}
