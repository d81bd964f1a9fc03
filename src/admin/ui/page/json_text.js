// @ts-check
/**
 * JSON that keeps its digits. `JSON.parse` rounds integers beyond 2^53, and an analyst who copies a
 * record id or a hash that was rounded looks for something that does not exist.
 */

/** @typedef {{ rawJSON?: (text: string) => unknown }} RawJson */

/**
 * Parses; numbers that would change become objects that `JSON.stringify` writes as they were, where
 * the browser has such objects.
 *
 * @param {string} text
 * @returns {unknown}
 */
export function parseExact(text) {
  const raw = /** @type {RawJson} */ (/** @type {unknown} */ (JSON)).rawJSON;
  // Walking every value is slow, and hardly any record holds such a number.
  if (raw === undefined || !/\d{16}/.test(text)) return JSON.parse(text);
  /** @type {(key: string, value: unknown, context?: { source?: string }) => unknown} */
  const revive = (_key, value, context) => {
    const source = context?.source;
    return typeof value !== "number" || source === undefined || String(value) === source ||
        source.length < 16
      ? value
      : raw(source);
  };
  return JSON.parse(text, /** @type {(key: string, value: unknown) => unknown} */ (revive));
}

/** Indented JSON of a value that {@link parseExact} gave. @param {unknown} value */
export function pretty(value) {
  return JSON.stringify(value, null, 2) ?? "";
}

/**
 * A value on one line: texts without quotes, anything else as JSON.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function inline(value) {
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  return JSON.stringify(value) ?? "";
}
