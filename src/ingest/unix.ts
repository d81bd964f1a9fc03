/**
 * Lines that programs of this machine write to a socket, or to a named pipe of Windows.
 *
 * Nothing is answered, so a writer learns only by waiting that the agent is behind: its connection
 * is then not read.
 */
import { chmodSync, lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { SourceError } from "../runtime/errors.ts";
import type { EventBatch, EventSource, SourceHealth } from "../runtime/plugin.ts";
import type { UnixSourceSettings } from "../runtime/settings.ts";
import { LineCollector, RecordNumbers } from "./line_collector.ts";
import { Doorbell } from "./waiting.ts";

/** What is held before connections are no longer read. */
const MAX_HELD_EVENTS = 1024;
const MAX_HELD_BYTES = 4 << 20;
/** Each may hold the beginning of a line, 1 MiB at most. */
const MAX_CONNECTIONS = 256;
/** Owner only; the rights that a new file must not have. */
const SOCKET_MODE = 0o600;
const SOCKET_UMASK = 0o177;
/** How long an owner may take to accept before its socket counts as left behind. */
const PROBE_MS = 2000;
const PIPE_NAME = /^\\\\[.?]\\pipe\\/;

export interface UnixSourceOptions {
  /** Differs in each run of the agent; by default a random UUID. */
  readonly bootId?: string;
  /** Default 256; more are turned away. */
  readonly maxConnections?: number;
}

/**
 * Listens at a path, mode 0600, and reads lines from everyone who connects.
 *
 * A socket that was left behind is replaced, one that somebody listens on is not, nor is a file of
 * another kind. A line above `maxLineBytes` (1 MiB) is lost, counted and noticed; the next one is
 * read. Positions mean nothing to a later run.
 */
export function unixSource(
  settings: UnixSourceSettings,
  options: UnixSourceOptions = {},
): EventSource {
  const numbers = new RecordNumbers(options.bootId);
  let listener: Listener | undefined;
  let health: SourceHealth = { state: "starting" };

  async function* read(_from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    signal.throwIfAborted();
    const current = new Listener(settings, numbers, options.maxConnections ?? MAX_CONNECTIONS);
    try {
      await current.open(signal);
      listener = current;
      health = { state: "running" };
      while (true) {
        await current.filled.wait(signal);
        if (current.failure !== undefined) throw current.failure;
        for (let batch = current.take(); batch !== undefined; batch = current.take()) {
          yield batch;
          signal.throwIfAborted();
        }
      }
    } catch (error) {
      if (error instanceof SourceError) health = { state: "failed", error: error.message };
      throw error;
    } finally {
      await current.close();
      if (health.state === "running") health = { state: "stopped" };
    }
  }

  return {
    id: settings.id,
    kind: "unix",
    read,
    health: () => listener === undefined ? health : { ...health, counts: listener.counts },
  };
}

/** The socket while it is open. */
class Listener {
  readonly filled = new Doorbell();
  failure: SourceError | undefined;
  readonly #path: string;
  readonly #lines: LineCollector;
  readonly #maxConnections: number;
  readonly #connections = new Set<Socket>();
  readonly #paused = new Set<Socket>();
  #server: Server | undefined;
  /** The file that was made, so that no other is removed at the end. */
  #inode: number | undefined;
  #accepted = 0;
  #refused = 0;

  constructor(settings: UnixSourceSettings, numbers: RecordNumbers, maxConnections: number) {
    this.#path = settings.path;
    this.#maxConnections = maxConnections;
    this.#lines = new LineCollector(numbers, settings.id, settings.maxLineBytes);
  }

  get counts(): Record<string, number> {
    return {
      ...this.#lines.counts,
      connections: this.#connections.size,
      accepted: this.#accepted,
      refused: this.#refused,
    };
  }

  /** @throws {SourceError} if the path cannot be listened at, or belongs to somebody else. */
  async open(signal: AbortSignal): Promise<void> {
    const isPipe = process.platform === "win32";
    if (isPipe && !PIPE_NAME.test(this.#path)) {
      throw new SourceError(
        "SOURCE_CONFIG",
        `Cannot listen at ${this.#path}: on Windows the path must be a named pipe such as ` +
          String.raw`\\.\pipe\picket`,
      );
    }
    if (!isPipe) await this.#removeStale(signal);
    await this.#listen(isPipe);
    if (isPipe) return;
    try {
      chmodSync(this.#path, SOCKET_MODE);
      this.#inode = lstatSync(this.#path).ino;
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  take(): EventBatch | undefined {
    const batch = this.#lines.take();
    if (!this.#isFull()) {
      for (const socket of this.#paused) socket.resume();
      this.#paused.clear();
    }
    return batch;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    for (const socket of this.#connections) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    // Runtimes remove the file when they close the server, but not all versions of all of them do.
    if (this.#inode !== undefined && fileAt(this.#path)?.ino === this.#inode) {
      try {
        unlinkSync(this.#path);
      } catch {
        // Somebody was faster.
      }
    }
  }

  /** Removes a socket that nobody listens on any more. */
  async #removeStale(signal: AbortSignal): Promise<void> {
    const found = fileAt(this.#path);
    if (found === undefined) return;
    if (!found.isSocket()) {
      const message = `Cannot listen at ${this.#path}: there is a file that is no socket`;
      throw new SourceError("SOURCE_CONFIG", message);
    }
    if (await isAnswered(this.#path)) {
      const message = `Cannot listen at ${this.#path}: another process listens there`;
      throw new SourceError("SOURCE_CONFIG", message);
    }
    signal.throwIfAborted();
    try {
      unlinkSync(this.#path);
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  #listen(isPipe: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.#accept(socket));
      let isOpen = false;
      server.on("error", (cause) => {
        if (!isOpen) return reject(this.#error(cause));
        this.failure = this.#error(cause);
        this.filled.ring();
      });
      server.once("listening", () => {
        isOpen = true;
        this.#server = server;
        resolve();
      });
      // The socket is bound within the call, so that nobody else can connect before `chmod`.
      const mask = isPipe ? undefined : process.umask(SOCKET_UMASK);
      try {
        server.listen(this.#path);
      } finally {
        if (mask !== undefined) process.umask(mask);
      }
    });
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#maxConnections) {
      this.#refused++;
      socket.destroy();
      return;
    }
    this.#accepted++;
    this.#connections.add(socket);
    const splitter = this.#lines.stream();
    socket.on("data", (block: Uint8Array) => {
      splitter.push(block);
      if (!this.#lines.isEmpty) this.filled.ring();
      if (!this.#isFull()) return;
      socket.pause();
      this.#paused.add(socket);
    });
    // A line without an end is delivered whether its writer closed or was killed.
    let isOver = false;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      splitter.end();
      if (!this.#lines.isEmpty) this.filled.ring();
    };
    socket.on("end", finish);
    socket.on("error", () => {});
    socket.on("close", () => {
      finish();
      this.#connections.delete(socket);
      this.#paused.delete(socket);
    });
  }

  #isFull(): boolean {
    return this.#lines.events >= MAX_HELD_EVENTS || this.#lines.bytes >= MAX_HELD_BYTES;
  }

  #error(cause: unknown): SourceError {
    const { code = "", message = String(cause) } = cause as { code?: string; message?: string };
    const text = `Cannot listen at ${this.#path}: ${message}`;
    if (code === "EACCES" || code === "EPERM") {
      return new SourceError("SOURCE_DENIED", text, { cause });
    }
    const isConfig = code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG" ||
      code === "EADDRINUSE" || code === "EINVAL";
    return new SourceError(isConfig ? "SOURCE_CONFIG" : "SOURCE_IO", text, { cause });
  }
}

function fileAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Whether somebody accepts connections at the path. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done(true), PROBE_MS); // It may be busy; it is not dead.
    socket.once("connect", () => done(true));
    socket.once("error", (error: { code?: string }) => done(error.code === "EACCES"));
  });
}
