/**
 * Standard output as a sink: one JSON line an alert, or indented over several lines.
 *
 * A line counts as delivered when the pipe has it; what its reader makes of it nobody can tell, so
 * after a crash the last batch may come again. A reader that is slow is waited for. One that is gone
 * pauses the sink: it does not come back, but the alerts stay for other settings.
 */
import { Buffer } from "node:buffer";
import { write } from "node:fs";
import process from "node:process";
import type { Alert } from "../runtime/alert.ts";
import type { DeliveryError } from "../runtime/errors.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { StdoutSinkSettings } from "../runtime/settings.ts";
import { systemClock } from "./clock.ts";
import { Exclusive } from "./exclusive.ts";
import { asDeliveryError, systemCode } from "./fs_failure.ts";

/** Between tries at a pipe that is full and does not block. */
const FULL_PIPE_MS = 10;

/**
 * Bytes of one write. Deno writes in a loop and forgets what it wrote when a pipe is full; up to
 * PIPE_BUF, at least 512 by POSIX, a pipe takes all or nothing, so there is nothing to forget.
 */
const WRITE_BYTES = "Deno" in globalThis ? 512 : Infinity;

const STDOUT = 1;

/** Standard output, or any other open file descriptor. */
export class StdoutSink implements Sink {
  readonly id: string;
  readonly kind = "stdout";
  readonly #pretty: boolean;
  readonly #fd: number;
  readonly #exclusive = new Exclusive();
  /** What is missing of a line that an aborted call had begun. */
  #rest: Buffer | undefined;
  /** Ids that a failed or aborted call wrote all the same. */
  readonly #arrived = new Set<string>();

  constructor(settings: StdoutSinkSettings, fd = STDOUT) {
    this.id = settings.id;
    this.#pretty = settings.pretty ?? false;
    this.#fd = fd;
  }

  send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    return this.#exclusive.run(async () => {
      try {
        await this.#finishLine(signal);
        for (const alert of alerts) {
          signal.throwIfAborted();
          await this.#writeLine(alert, signal);
        }
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw asDeliveryError("write to standard output", error);
      }
      // The caller hears of these now; only those of calls that failed are asked for.
      for (const { id } of alerts) this.#arrived.delete(id);
      return alerts.map(() => undefined);
    }, signal);
  }

  /** Knows only about calls of this process. */
  reconcile(
    alerts: readonly Alert[],
    _peerPosition: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    return this.#exclusive.run(async () => {
      try {
        await this.#finishLine(signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw asDeliveryError("write to standard output", error);
      }
      const arrived = new Set(alerts.map(({ id }) => id).filter((id) => this.#arrived.has(id)));
      this.#arrived.clear();
      return arrived;
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The descriptor is not ours to close, and a reader that is stuck is not to be waited for.
  }

  async #writeLine(alert: Alert, signal: AbortSignal): Promise<void> {
    const text = this.#pretty ? JSON.stringify(JSON.parse(alert.body), undefined, 2) : alert.body;
    // Begun is as good as written: `#rest` goes out before anything else.
    this.#arrived.add(alert.id);
    this.#rest = Buffer.from(`${text}\n`, "utf8");
    const { length } = this.#rest;
    try {
      await this.#finishLine(signal);
    } catch (error) {
      if (this.#rest?.length === length) {
        this.#rest = undefined;
        this.#arrived.delete(alert.id);
      }
      throw error;
    }
  }

  async #finishLine(signal: AbortSignal): Promise<void> {
    while (this.#rest !== undefined) {
      try {
        const written = await writeSome(this.#fd, this.#rest.subarray(0, WRITE_BYTES));
        this.#rest = written < this.#rest.length ? this.#rest.subarray(written) : undefined;
      } catch (error) {
        if (systemCode(error) !== "EAGAIN") throw error;
        signal.throwIfAborted();
        await systemClock.wait(FULL_PIPE_MS, signal);
        signal.throwIfAborted();
      }
    }
  }
}

/** @returns Bytes that were taken. */
function writeSome(fd: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    if (process.platform === "win32" && fd === STDOUT && process.stdout.isTTY) {
      // A Windows console has its own idea of bytes; the stream speaks UTF-16 to it.
      process.stdout.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
      return;
    }
    // Not `process.stdout`: its buffer would hide what the pipe has and what it has not.
    write(fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error === null || error === undefined) resolve(written);
      else reject(error);
    });
  });
}
