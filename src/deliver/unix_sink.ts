/**
 * A Unix socket as a sink: one JSON line an alert, to whoever listens there.
 *
 * On Windows the path may be that of a named pipe, `\\.\pipe\name`.
 *
 * A line counts as delivered when the system has taken it. The protocol has no acknowledgement: what a
 * reader leaves unread when it dies is lost, and after a broken connection lines come again that may
 * have been read, the last one perhaps after a beginning of itself. Where that matters, use HTTP or
 * NATS.
 */
import { connect, type Socket } from "node:net";
import type { Alert } from "../runtime/alert.ts";
import type { DeliveryError } from "../runtime/errors.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { UnixSinkSettings } from "../runtime/settings.ts";
import { Exclusive, orAbort } from "./exclusive.ts";
import { asDeliveryError } from "./fs_failure.ts";

const CONNECT_TIMEOUT_MS = 5000;
/** How long a reader has at the end to take what the system still holds. */
const CLOSE_TIMEOUT_MS = 1000;

export class UnixSink implements Sink {
  readonly id: string;
  readonly kind = "unix";
  readonly #path: string;
  readonly #exclusive = new Exclusive();
  #socket: Socket | undefined;

  constructor(settings: UnixSinkSettings) {
    this.id = settings.id;
    this.#path = settings.path;
  }

  send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    return this.#exclusive.run(async () => {
      if (alerts.length === 0) return [];
      const socket = await this.#connected(signal);
      try {
        return await orAbort(writeLines(socket, alerts), signal);
      } catch (error) {
        this.#drop();
        if (signal.aborted) throw signal.reason;
        throw asDeliveryError(`write to ${this.#path}`, error);
      }
    }, signal);
  }

  reopen(): void {
    // Between two calls: one that is under way keeps its connection.
    void this.#exclusive.run(() => this.#close());
  }

  probe(signal: AbortSignal): Promise<void> {
    return this.#exclusive.run(async () => {
      await this.#connected(signal);
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exclusive.run(() => this.#close());
  }

  async #connected(signal: AbortSignal): Promise<Socket> {
    const open = this.#socket;
    if (open !== undefined && open.writable && !open.destroyed) return open;
    this.#drop();
    const socket = connect({ path: this.#path });
    this.#socket = socket;
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    );
    try {
      await orAbort(
        new Promise<void>((resolve, reject) => {
          socket.once("connect", resolve);
          socket.once("error", reject);
          socket.once("close", () => reject(new Error("closed before it was open")));
        }),
        signal,
      );
    } catch (error) {
      this.#drop();
      if (signal.aborted) throw signal.reason;
      throw asDeliveryError(`connect to ${this.#path}`, error);
    } finally {
      clearTimeout(timer);
    }
    // A reader may say what it likes; unread it would fill up and hide the end of the connection.
    socket.resume();
    socket.on("error", () => this.#forget(socket));
    socket.on("end", () => this.#forget(socket));
    socket.on("close", () => this.#forget(socket));
    return socket;
  }

  #forget(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined;
    socket.destroy();
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.on("error", () => {});
    socket?.destroy();
  }

  async #close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end();
    });
    this.#socket = undefined;
  }
}

/** Resolves with an outcome for each alert: those behind a broken line were not sent. */
function writeLines(
  socket: Socket,
  alerts: readonly Alert[],
): Promise<readonly (DeliveryError | undefined)[]> {
  return new Promise((resolve, reject) => {
    let waiting = alerts.length;
    const onClose = () => reject(new Error("the reader closed the connection"));
    socket.once("close", onClose);
    socket.cork();
    for (const { body } of alerts) {
      socket.write(`${body}\n`, "utf8", (error) => {
        if (error !== null && error !== undefined) {
          socket.off("close", onClose);
          reject(error);
        } else if (--waiting === 0) {
          socket.off("close", onClose);
          resolve(alerts.map(() => undefined));
        }
      });
    }
    socket.uncork();
  });
}
