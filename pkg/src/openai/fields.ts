// A request's body -> its fields, checked by a table: what is not in it, or can't be honoured, throws by name.

import { OrielError, type OrielErrorCode } from "../index.js";

/** A request that is refused for one of its fields. */
export class RequestError extends OrielError {
  /** The field, as `messages[0].content`. */
  readonly param: string;

  constructor(code: OrielErrorCode, call: string, param: string, fault: string) {
    super(code, `${call}: ${param} ${fault}`);
    this.param = param;
  }
}

/** What a field may be. Of a value that OpenAI's API knows and this one can't honour, the code is `unsupported`. */
export interface Rule {
  accepts: (value: unknown) => boolean;
  expected: string;
  code: "option" | "unsupported";
}

function rule(expected: string, accepts: (value: unknown) => boolean): Rule {
  return { accepts, expected, code: "option" };
}

const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => Number.isFinite(value);

export const text = rule("a string", isText);
export const flag = rule("true or false", (value) => typeof value === "boolean");
export const number = rule("a number", isNumber);
export const list = rule("an array with something in it", (value) => Array.isArray(value) && value.length > 0);
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  rule(
    most === Number.MAX_SAFE_INTEGER ? `a whole number, ${least} or more` : `a whole number from ${least} to ${most}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  );
export const texts = rule(
  "a string or an array of strings",
  (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
);
export const mapOf = (what: "numbers" | "strings") =>
  rule(
    `an object of ${what}`,
    (value) => isObject(value) && Object.values(value).every(what === "numbers" ? isNumber : isText),
  );
/** Nothing but these changes nothing, or can be honoured. */
export const only = (...values: unknown[]): Rule => ({
  accepts: (value) => values.some((one) => JSON.stringify(one) === JSON.stringify(value)),
  expected: values.map((value) => JSON.stringify(value)).join(" or "),
  code: "unsupported",
});
/** A field that OpenAI's API knows and this one can't honour. */
export const never: Rule = { accepts: () => false, expected: "", code: "unsupported" };

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The body's fields without those that are null or undefined. */
export function checkedFields(call: string, body: unknown, rules: Record<string, Rule>): Record<string, unknown> {
  if (!isObject(body)) throw new RequestError("option", call, "body", `is ${show(body)}; expected an object`);
  return checkedIn(call, "", body, rules);
}

/** The same of an object that stands in a field: `inside` is where, with its dot. */
export function checkedIn(
  call: string,
  inside: string,
  given: Record<string, unknown>,
  rules: Record<string, Rule>,
): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const at = inside + name;
    const known = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!known) {
      const supported = Object.keys(rules).filter((other) => rules[other] !== never);
      throw new RequestError("option", call, at, `is not a field; supported: ${supported.join(", ")}`);
    }
    if (value === undefined || value === null) continue;
    if (!known.accepts(value)) throw refusal(call, at, value, known);
    kept[name] = value;
  }
  return kept;
}

function refusal(call: string, at: string, value: unknown, { expected, code }: Rule): RequestError {
  if (!expected) return new RequestError(code, call, at, "is not supported");
  const word = code === "option" ? "expected" : "supported:";
  return new RequestError(code, call, at, `is ${show(value)}; ${word} ${expected}`);
}

export function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}...` : shown;
}
