/**
 * Replaces values in events by tokens that are equal where the values were, within one session.
 *
 * @see delivery.md 14
 */
import { createHash } from "node:crypto";
import { jsonText } from "../event/json_text.ts";
import type { Value } from "../event/value.ts";

/** Paths of a `redact` parameter. */
export function parseRedactPaths(text: string): readonly string[] {
  return text.split(",").map((path) => path.trim()).filter((path) => path !== "");
}

/** `picket:redacted:` and 16 hex digits of the salted SHA-256 of the text or compact JSON. */
export function redactionToken(value: Value, salt: Uint8Array): string {
  const text = typeof value === "string" ? value : jsonText(value);
  const digest = createHash("sha256").update(salt).update(text, "utf8").digest("hex");
  return `picket:redacted:${digest.slice(0, 16)}`;
}

/**
 * A copy of `value` with what `paths` lead to replaced.
 *
 * Where the whole rest of a path is a key of an object, that key is meant; else every way to read
 * the rest is gone, since keys may hold dots and it is better to hide too much. A number addresses
 * one element of an array, anything else all of them. A path that leads nowhere changes nothing.
 */
export function redact(value: Value, paths: readonly string[], salt: Uint8Array): Value {
  let out = value;
  for (const path of paths) out = redactPath(out, path, salt);
  return out;
}

function redactPath(value: Value, path: string, salt: Uint8Array): Value {
  if (Array.isArray(value)) {
    const dot = path.indexOf(".");
    const head = dot < 0 ? path : path.slice(0, dot);
    if (!/^\d+$/.test(head)) return value.map((member: Value) => redactPath(member, path, salt));
    const index = Number(head);
    return value.map((member: Value, at) => {
      if (at !== index) return member;
      return dot < 0 ? redactionToken(member, salt) : redactPath(member, path.slice(dot + 1), salt);
    });
  }
  if (typeof value !== "object" || value === null) return value;
  const object = value as { readonly [key: string]: Value };
  if (Object.hasOwn(object, path)) {
    return { ...object, [path]: redactionToken(object[path]!, salt) };
  }
  let out = object;
  for (let dot = path.indexOf("."); dot >= 0; dot = path.indexOf(".", dot + 1)) {
    const key = path.slice(0, dot);
    if (!Object.hasOwn(out, key)) continue;
    out = { ...out, [key]: redactPath(out[key]!, path.slice(dot + 1), salt) };
  }
  return out;
}
