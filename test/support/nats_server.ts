/**
 * A real `nats-server` with JetStream on a free port, its store in a directory of its own.
 *
 * It can be killed, started again on the same port and store, and paused, since that is what the
 * agent has to live through.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";

const READY_TIMEOUT_MS = 15_000;

function findServer(): string | undefined {
  const directories = (process.env.PATH ?? "").split(delimiter)
    .concat("/usr/sbin", "/usr/local/sbin", "/usr/local/bin");
  return directories.map((one) => join(one, "nats-server")).find((path) => existsSync(path));
}

const PROGRAM = findServer();

/** For `test(name, { skip: NATS_SKIP }, …)`: `false` or the reason, which is printed once. */
export const NATS_SKIP: string | false = PROGRAM === undefined
  ? "nats-server is not installed (Debian: apt-get install nats-server)"
  : false;
if (NATS_SKIP !== false) console.log(`skipped: ${NATS_SKIP}`);

export interface NatsServerOptions {
  /** More of the server's configuration: `authorization { token: t }`. */
  readonly config?: string;
  readonly port?: number;
  /** Default `true`. */
  readonly jetstream?: boolean;
}

/** A port that nothing listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  #child: ChildProcess | undefined;
  #output = "";

  constructor(port: number, directory: string) {
    this.port = port;
    this.directory = directory;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** What the server wrote so far, for messages of failing tests. */
  get output(): string {
    return this.#output;
  }

  /** Replaces the configuration; takes effect with the next start or `reload`. */
  async configure(options: NatsServerOptions): Promise<void> {
    const store = join(this.directory, "store");
    await writeFile(
      join(this.directory, "nats.conf"),
      [
        `listen: "127.0.0.1:${this.port}"`,
        options.jetstream === false
          ? ""
          : `jetstream { store_dir: ${JSON.stringify(store)}, max_mem: 64MB, max_file: 1GB }`,
        options.config ?? "",
      ].join("\n"),
    );
  }

  async start(): Promise<void> {
    const child = spawn(PROGRAM!, ["-c", join(this.directory, "nats.conf")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    child.stderr!.on("data", (bytes: Uint8Array) => {
      this.#output = (this.#output + new TextDecoder().decode(bytes)).slice(-20_000);
    });
    const end = Date.now() + READY_TIMEOUT_MS;
    while (!(await answers(this.port))) {
      if (child.exitCode !== null || Date.now() > end) {
        throw new Error(`nats-server did not start: ${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Ends the server at once, without a chance to tidy up. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (child.exitCode === null && child.pid !== undefined) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      signalProcess(child.pid, signal);
      signalProcess(child.pid, "SIGCONT"); // A paused one would not see SIGTERM.
      await ended;
    }
    child.stderr?.destroy();
  }

  async pause(): Promise<void> {
    if (this.#child?.pid !== undefined) signalProcess(this.#child.pid, "SIGSTOP");
    // Its threads stop one by one.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  resume(): void {
    if (this.#child?.pid !== undefined) signalProcess(this.#child.pid, "SIGCONT");
  }

  /** Announces the end to all clients and evicts them after a while: lame duck mode. */
  retire(): void {
    if (this.#child?.pid !== undefined) signalProcess(this.#child.pid, "SIGUSR2");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A server that is not running yet: `start()` does that. */
export async function prepareNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const directory = await mkdtemp(join(tmpdir(), "picket-nats-"));
  const server = new NatsServer(options.port ?? await freePort(), directory);
  await server.configure(options);
  return server;
}

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await prepareNatsServer(options);
  await server.start();
  return server;
}

/** `ChildProcess.kill` of Deno takes the first signal for the end of the process. */
function signalProcess(
  pid: number,
  signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT" | "SIGUSR2",
) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** Whether somebody on the port speaks first, as NATS servers do; a TLS-first one merely accepts. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (ok: boolean) => {
      socket.destroy();
      resolve(ok);
    };
    socket.on("data", () => end(true));
    socket.on("error", () => end(false));
    socket.on("close", () => end(false));
  });
}
