/**
 * Whether settings have changed.
 */
import { createHash } from "node:crypto";

/** A text that is equal for equal settings; secrets count by a digest of what they are now. */
export function settingsKey(settings: object): string {
  return JSON.stringify(settings, (_key, value: unknown) => {
    if (typeof value === "function") return secretKey(value as () => unknown);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(
      Object.entries(value).sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0),
    );
  });
}

function secretKey(secret: () => unknown): string {
  try {
    return createHash("sha256").update(String(secret())).digest("hex");
  } catch {
    return "unreadable";
  }
}
