// What went wrong, in the page, the worker or the core -> one error class with a stable code.

/** The stable name of what went wrong; the message is for people, this is for programs. */
export type OrielErrorCode =
  | "option" // an option is unknown, of the wrong type or out of range
  | "not-found" // the source does not exist there, or its server asks for permission
  | "network" // the source could not be reached, or the connection broke
  | "truncated" // a file ended before its length
  | "not-a-model" // the source answered with something else: a web page, a pointer
  | "file-damaged" // a file is damaged or not of the type that it seems
  | "unsupported" // a sound file holds an architecture, quantisation or tokenizer that Oriel does not know
  | "model-mismatch" // tensors or settings do not fit the architecture
  | "tokenizer" // text could not be turned into tokens
  | "template" // the chat template is missing, faulty, or refused the messages
  | "context-full" // the prompt does not fit the context
  | "no-webgpu" // this browser, or this page in it, offers no WebGPU
  | "device" // the GPU refused a command
  | "device-lost" // the GPU went away (driver reset, sleep, another page), or a thread of the processor did
  | "out-of-memory" // the device has not enough memory for the model
  | "aborted" // the caller's AbortSignal
  | "disposed" // the model was disposed of
  | "engine"; // the worker could not start, or died

/** Trying the very same again can succeed. */
const RECOVERABLE: ReadonlySet<OrielErrorCode> = new Set(["network", "truncated", "device-lost", "aborted", "engine"]);

/** An error as it crosses from the worker: class instances do not survive the way. */
export interface WireError {
  code: OrielErrorCode;
  message: string;
}

/** Every error of this package. An aborted call's is named `AbortError`, as the platform's own are. */
export class OrielError extends Error {
  readonly code: OrielErrorCode;
  /** Whether doing the very same again can succeed. */
  readonly recoverable: boolean;

  constructor(code: OrielErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = code === "aborted" ? "AbortError" : "OrielError";
    this.code = code;
    this.recoverable = RECOVERABLE.has(code);
  }
}

/** The error for an aborted signal; its `cause` is the signal's reason. */
export function aborted(signal?: AbortSignal): OrielError {
  return new OrielError("aborted", "the call was aborted", { cause: signal?.reason });
}

/** Throws if the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/** Any thrown value as an OrielError: the core's `{ code, message }`, ours, or something unforeseen. */
export function toOrielError(thrown: unknown): OrielError {
  if (thrown instanceof OrielError) return thrown;
  if (isWire(thrown)) return new OrielError(thrown.code, thrown.message);
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new OrielError("engine", `the engine failed: ${message}`, { cause: thrown });
}

/** What of an error crosses from the worker. */
export function toWire(thrown: unknown): WireError {
  const { code, message } = toOrielError(thrown);
  return { code, message };
}

function isWire(value: unknown): value is WireError {
  if (typeof value !== "object" || value === null) return false;
  const { code, message } = value as Partial<Record<string, unknown>>;
  return typeof code === "string" && typeof message === "string" && !(value instanceof DOMException);
}
