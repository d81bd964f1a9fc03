/**
 * Reads the members of a mapping one by one and knows which nobody asked for.
 */
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
    return parseDurationMs(text) ?? this.#wrong(key, "a duration such as 500ms or 1m 30s");
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

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Longer forms by the unit they mean; `min` before `m`, since both begin alike. */
const SPELLINGS =
  /^(?:(m(?:illi)?s(?:ec(?:ond)?s?)?)|(s(?:ec(?:ond)?s?)?)|(h(?:(?:ou)?rs?)?)|(d(?:ays?)?)|(w(?:eeks?)?)|(m(?:in(?:ute)?s?)?))$/;
const NAMES = ["ms", "s", "h", "d", "w", "m"] as const;

/** The milliseconds of `500ms`, `1m 30s`, `1h`; `undefined` for anything else, bare numbers included. */
export function parseDurationMs(text: string): number | undefined {
  if (!/^\d{1,12}[a-z]+(?: ?\d{1,12}[a-z]+){0,9}$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([a-z]+)/g)) {
    const spelling = SPELLINGS.exec(unit!);
    const name = NAMES.find((_, at) => spelling?.[at + 1] !== undefined);
    if (name === undefined) return undefined;
    sum += Number(amount) * UNITS[name]!;
  }
  return Number.isSafeInteger(sum) ? sum : undefined;
}
