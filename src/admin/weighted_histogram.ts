/**
 * A histogram that takes many equal observations at once: one call a batch instead of one an event.
 */
import {
  Histogram,
  type MetricObjectWithValues,
  type MetricValueWithName,
  type Registry,
} from "prom-client";

export class WeightedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  /** By bucket, the last one being `+Inf`; not summed up. */
  readonly #counts: number[];
  #sum = 0;

  constructor(name: string, help: string, bounds: readonly number[], registry: Registry) {
    super({ name, help, buckets: [...bounds], registers: [registry] });
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** Counts `weight` observations of `value`. */
  observeMany(value: number, weight: number): void {
    if (!(weight > 0) || !Number.isFinite(value)) return;
    let at = 0;
    while (at < this.#bounds.length && value > this.#bounds[at]!) at++;
    this.#counts[at]! += weight;
    this.#sum += value * weight;
  }

  override get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const values: MetricValueWithName<string>[] = [];
    let total = 0;
    for (const [at, count] of this.#counts.entries()) {
      total += count;
      const le = this.#bounds[at] ?? "+Inf";
      values.push({ metricName: `${this.#name}_bucket`, labels: { le }, value: total });
    }
    values.push({ metricName: `${this.#name}_sum`, labels: {}, value: this.#sum });
    values.push({ metricName: `${this.#name}_count`, labels: {}, value: total });
    // The declared type asks for members that nothing reads, and has an enum that is not there.
    const family = {
      name: this.#name,
      help: this.#help,
      type: "histogram",
      aggregator: "sum",
      values,
    };
    return Promise.resolve(
      family as unknown as MetricObjectWithValues<MetricValueWithName<string>>,
    );
  }

  /** What the registry calls instead of `get` when it writes text. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }
}
