/**
 * Whether settings have changed.
 */

/**
 * A text that is equal for equal settings. Secrets are functions; they count by what they say about
 * themselves (`toString`), which names where they are read and not what is read there.
 */
export function settingsKey(settings: object): string {
  return JSON.stringify(settings, (_key, value: unknown) => {
    if (typeof value === "function") return `secret ${String(value)}`;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(
      Object.entries(value).sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0),
    );
  });
}
