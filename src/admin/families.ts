/**
 * Makes metric families with the prefix of their registry.
 */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Bounds for requests over a network. */
export const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export class Families {
  readonly #registry: Registry;
  readonly #prefix: string;

  constructor(registry: Registry, prefix: string) {
    this.#registry = registry;
    this.#prefix = prefix;
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter<string> {
    return new Counter(this.#facts(name, help, labelNames));
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge<string> {
    return new Gauge(this.#facts(name, help, labelNames));
  }

  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly string[] = [],
  ): Histogram<string> {
    return new Histogram({ ...this.#facts(name, help, labelNames), buckets: [...buckets] });
  }

  #facts(name: string, help: string, labelNames: readonly string[]) {
    return {
      name: this.#prefix + name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
    };
  }
}
