// What went wrong, in the page, the worker or the core -> one error class with a stable code.

/** The stable name of what went wrong; the message is for people, this is for programs. */
export type OrielErrorCode =
  /** An option is unknown, of the wrong type or out of range. */
  | "option"
  /** The source does not exist there, or its server asks for permission. */
  | "not-found"
  /** The source could not be reached, or the connection broke. */
  | "network"
  /** A file ended before its length. */
  | "truncated"
  /** The source answered with something else: a web page, a pointer. */
  | "not-a-model"
  /** A file is damaged or not of the type that it seems. */
  | "file-damaged"
  /** A sound file holds an architecture, quantisation or tokenizer that Oriel does not know. */
  | "unsupported"
  /** Tensors or settings do not fit the architecture. */
  | "model-mismatch"
  /** Text could not be turned into tokens. */
  | "tokenizer"
  /** The chat template is missing, faulty, or refused the messages. */
  | "template"
  /** The prompt does not fit the context. */
  | "context-full"
  /** This browser, or this page in it, offers no WebGPU. */
  | "no-webgpu"
  /** The GPU refused a command. */
  | "device"
  /** The GPU went away (driver reset, sleep, another page), or a thread of the processor did. */
  | "device-lost"
  /** The device has not enough memory for the model. */
  | "out-of-memory"
  /** The browser has not enough room to store the model; the message says how much is missing. */
  | "quota"
  /** The caller's AbortSignal. */
  | "aborted"
  /** The model was disposed of. */
  | "disposed"
  /** The worker could not start, or died. */
  | "engine";

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

/** The error for an aborted signal: its reason where that is one of ours, and else one whose `cause` is the reason. */
export function aborted(signal?: AbortSignal): OrielError {
  if (signal?.reason instanceof OrielError) return signal.reason;
  return new OrielError("aborted", "the call was aborted", { cause: signal?.reason });
}

/** Throws if the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/** What is awaited, or an error as soon as the signal is aborted. */
export function unlessAborted<T>(awaited: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return awaited;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(signal));
    const settled = () => signal.removeEventListener("abort", onAbort);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    awaited.finally(settled).then(resolve, reject);
  });
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
