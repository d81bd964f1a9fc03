/**
 * Reads the members of a mapping one by one and knows which nobody asked for.
 */
import { parseDuration } from "../../runtime/duration.ts";
import { HttpError } from "../../runtime/http/errors.ts";
import { didYouMean } from "../../sigma/suggest.ts";

/** A problem in a webhook file. */
export function invalid(message: string): never {
  throw new HttpError("HTTP_SETTINGS", message);
}

/** A mapping of a YAML file; every getter returns `undefined` where the key is absent or null. */
export class Members {
  readonly #values: Readonly<Record<string, unknown>>;
  /** What errors name it: `webhook 'hub': retry`. */
  readonly #place: string;
  readonly #known: string[] = [];

  constructor(value: unknown, place: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      invalid(`invalid webhooks YAML: ${place}: expected a mapping`);
    }
    this.#values = value as Readonly<Record<string, unknown>>;
    this.#place = place;
  }

  any(key: string): unknown {
    this.#known.push(key);
    return this.#values[key] ?? undefined;
  }

  text(key: string): string | undefined {
    const value = this.any(key);
    if (value !== undefined && typeof value !== "string") this.#wrong(key, "text");
    return value;
  }

  requiredText(key: string): string {
    return this.text(key) ??
      invalid(`invalid webhooks YAML: ${this.#place}: missing field '${key}'`);
  }

  count(key: string): number | undefined {
    const value = this.any(key);
    if (value === undefined) return undefined;
    const isCount = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
    return isCount ? value : this.#wrong(key, "a whole number");
  }

  list<T>(key: string, type: "string" | "number"): readonly T[] | undefined {
    const value = this.any(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.some((one) => typeof one !== type)) {
      return this.#wrong(key, `a list of ${type === "string" ? "texts" : "numbers"}`);
    }
    return value as readonly T[];
  }

  /** Milliseconds. */
  duration(key: string): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    return parseDuration(text) ?? this.#wrong(key, "a duration such as 500ms or 1m 30s");
  }

  members(key: string): Members | undefined {
    const value = this.any(key);
    return value === undefined ? undefined : new Members(value, `${this.#place}: ${key}`);
  }

  /** The names and texts of a mapping; numbers and booleans count as texts. */
  texts(key: string): Readonly<Record<string, string>> | undefined {
    const value = this.any(key);
    if (value === undefined) return undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return this.#wrong(key, "a mapping");
    }
    return Object.fromEntries(
      Object.entries(value).map(([name, one]: [string, unknown]) => {
        if (one === null || typeof one === "object") return this.#wrong(`${key}.${name}`, "text");
        return [name, String(one)];
      }),
    );
  }

  /** @throws {HttpError} A key that no getter has asked for. */
  finish(): void {
    for (const key of Object.keys(this.#values)) {
      if (this.#known.includes(key)) continue;
      invalid(`${this.#place}: unknown key '${key}'${didYouMean(key, this.#known)}`);
    }
  }

  #wrong(key: string, expected: string): never {
    invalid(`invalid webhooks YAML: ${this.#place}: ${key}: expected ${expected}`);
  }
}
