/**
 * The line that moves while a scan runs.
 */
import type { CliIo } from "../io.ts";
import type { ScanProgress } from "../scan/scan.ts";
import { bytes, count, fit, plural } from "./text.ts";

const REFRESH_MS = 100;
const LEVELS = ["critical", "high", "medium", "low", "informational"];

/** Shows progress on stderr if it is a terminal; `clear` before anything else is written. */
export class ProgressLine {
  readonly #io: CliIo;
  readonly #shown: boolean;
  readonly #files: number;
  readonly #totalBytes: number;
  readonly #startedAt = performance.now();
  #drawnAt = 0;
  #drawn = false;

  constructor(io: CliIo, files: number, totalBytes: number, quiet: boolean) {
    this.#io = io;
    this.#files = files;
    this.#totalBytes = totalBytes;
    this.#shown = io.errIsTerminal && !quiet && io.env["TERM"] !== "dumb" &&
      io.env["CI"] === undefined;
  }

  update(progress: ScanProgress): void {
    const now = performance.now();
    if (!this.#shown || now - this.#drawnAt < REFRESH_MS) return;
    this.#drawnAt = now;
    this.#drawn = true;
    this.#io.errRaw(`\r\u001b[K${fit(this.#text(progress, now), this.#io.columns - 1)}`);
  }

  clear(): void {
    if (this.#drawn) this.#io.errRaw("\r\u001b[K");
    this.#drawn = false;
  }

  #text(progress: ScanProgress, now: number): string {
    const seconds = (now - this.#startedAt) / 1000;
    const share = this.#totalBytes === 0 ? 0 : Math.min(1, progress.bytes / this.#totalBytes);
    const left = share > 0.01 ? seconds / share - seconds : undefined;
    const levels = LEVELS.filter((level) => (progress.byLevel[level] ?? 0) > 0)
      .map((level) =>
        `${count(progress.byLevel[level]!)} ${level === "informational" ? "info" : level}`
      );
    return [
      `${Math.floor(share * 100)}% of ${bytes(this.#totalBytes)}, ${plural(this.#files, "file")}`,
      `${count(progress.events)} events`,
      `${count(progress.events / Math.max(seconds, 0.001))}/s`,
      ...(left === undefined ? [] : [`${Math.ceil(left)} s left`]),
      levels.length === 0 ? "no hits yet" : levels.join(", "),
    ].join(" · ");
  }
}
