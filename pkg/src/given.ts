// What an adapter was given -> the same, checked, by the names that its own callers know. Nothing is coerced or ignored.

import { OrielError } from "./index.js";

/** What is wrong with a value, or nothing. */
export type Rule = (value: unknown) => string | undefined;

/** A rule for every option of T: a new option without one does not compile. */
export type Rules<T> = { [Name in keyof Required<T>]: Rule };

const that =
  (wanted: string, holds: (value: unknown) => boolean): Rule =>
  (value) =>
    holds(value) ? undefined : `expected ${wanted}`;

export const number = that("a number", Number.isFinite);
export const whole = that("a whole number, 0 or more", (value) => Number.isSafeInteger(value) && Number(value) >= 0);
export const count = that("a whole number, 1 or more", (value) => Number.isSafeInteger(value) && Number(value) >= 1);
export const flag = that("true or false", (value) => typeof value === "boolean");
export const callback = that("a function", (value) => typeof value === "function");
export const text = that("a string", (value) => typeof value === "string");
export const signal = that("an AbortSignal", (value) => value instanceof AbortSignal);
export const texts = that(
  "a string or an array of strings",
  (value) => !text(value) || (Array.isArray(value) && value.every((item) => !text(item))),
);
export const oneOf = (...names: string[]): Rule =>
  that(names.map((name) => `"${name}"`).join(", "), (value) => names.includes(value as string));
export const instance = (kind: abstract new (...parameters: never[]) => object, wanted: string): Rule =>
  that(wanted, (value) => value instanceof kind);

/**
 * The given options without those that are undefined.
 * @throws OrielError `option` for a name without a rule, or a value that its rule refuses
 */
export function given<T extends object>(call: string, options: T | undefined, rules: Rules<T>): T {
  if (options === undefined) return {} as T;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new OrielError("option", `${call}: expected an object of options, found ${show(options)}`);
  }
  const kept = Object.entries(options).filter(([name, value]) => {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof T] : undefined;
    if (!rule) {
      const known = Object.keys(rules).join(", ");
      throw new OrielError("option", `${call}: ${name} is not an option; supported: ${known}`);
    }
    const fault = value === undefined ? undefined : rule(value);
    if (fault !== undefined) throw new OrielError("option", `${call}: ${name} is ${show(value)}; ${fault}`);
    return value !== undefined;
  });
  return Object.fromEntries(kept) as T;
}

/** A value in an error's message. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? `a ${value.constructor?.name ?? "object"}` : String(value);
}
