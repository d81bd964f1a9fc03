/**
 * What is known of the process itself, under the names that dashboards expect.
 *
 * prom-client's own set reads hooks of Node's garbage collector that other runtimes lack.
 */
import { readdirSync } from "node:fs";
import process from "node:process";
import { Counter, Gauge, type Registry } from "prom-client";

export class ProcessMetrics {
  readonly #cpu: Counter<string>;
  readonly #memory: Gauge<string>;
  readonly #lag: Gauge<string>;
  readonly #descriptors: Gauge<string> | undefined;
  #cpuSeconds = 0;

  constructor(registry: Registry, prefix: string) {
    const registers = [registry];
    this.#cpu = new Counter({
      name: "process_cpu_seconds_total",
      help: "User and system CPU time of the process, in seconds.",
      registers,
    });
    this.#memory = new Gauge({
      name: "process_resident_memory_bytes",
      help: "Resident memory of the process.",
      registers,
    });
    new Gauge({
      name: "process_start_time_seconds",
      help: "When the process started, Unix seconds.",
      registers,
    }).set(Math.round(Date.now() / 1000 - process.uptime()));
    this.#lag = new Gauge({
      name: `${prefix}event_loop_lag_seconds`,
      help: "How long a due task waited for the main thread, measured at the scrape.",
      registers,
    });
    this.#descriptors = process.platform !== "linux" ? undefined : new Gauge({
      name: "process_open_fds",
      help: "Open file descriptors.",
      registers,
    });
  }

  async update(): Promise<void> {
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    this.#cpu.inc(Math.max(0, seconds - this.#cpuSeconds));
    this.#cpuSeconds = Math.max(this.#cpuSeconds, seconds);
    this.#memory.set(process.memoryUsage().rss);
    if (this.#descriptors !== undefined) this.#descriptors.set(openDescriptors());
    const started = performance.now();
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    // Timers have a grain of a millisecond.
    this.#lag.set(Math.max(0, performance.now() - started - 1) / 1000);
  }
}

/** `NaN`, which Prometheus knows, where `/proc` cannot be read. */
function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return NaN;
  }
}
