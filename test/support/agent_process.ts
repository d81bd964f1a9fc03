/**
 * The built executable as an agent: started with a configuration, watched by its log, killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { PICKET, type Scratch } from "./picket.ts";

/** One line of the agent's log. */
export interface LogLine {
  readonly level: string;
  readonly fields: { readonly message: string } & Readonly<Record<string, unknown>>;
}

export interface AgentSettings {
  /** YAML, or what JSON can say of it. */
  readonly config: string | Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  /** Written to stdin, which is then closed; default: stdin is closed at once. */
  readonly stdin?: string;
  /** Another program that starts Picket: `wine`, `setpriv`. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A configuration that follows `app.log` in `scratch` with its `rules`; `more` replaces sections. */
export function followingConfig(
  scratch: Scratch,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    rules: { paths: [scratch.file("rules")] },
    sources: [{
      id: "app",
      type: "file",
      paths: [scratch.file("app.log")],
      format: "json",
      start_at: "start",
      logsource: { product: "linux", category: "process_creation" },
    }],
    sinks: [{ id: "out", type: "file", path: scratch.file("out.ndjson") }],
    state: { path: scratch.file("state/state.db") },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
    ...more,
  };
}

const START_MS = 30_000;

/** A running agent. */
export class AgentProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly log: LogLine[] = [];
  /** Lines of stderr that are no log lines. */
  readonly noise: string[] = [];
  stdout = "";
  readonly exited: Promise<number | string>;
  #waiting: (() => void)[] = [];
  #rest = "";
  #hasExited = false;

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.on("data", (bytes: Uint8Array) => {
      this.stdout += new TextDecoder().decode(bytes);
      this.#wake();
    });
    child.stderr!.on("data", (bytes: Uint8Array) => this.#read(new TextDecoder().decode(bytes)));
    this.exited = new Promise((resolve) =>
      child.on("close", (code, signal) => {
        this.#hasExited = true;
        resolve(code ?? signal ?? -1);
        this.#wake();
      })
    );
  }

  /** Starts an agent in `scratch`; resolves when it runs. */
  static async start(scratch: Scratch, settings: AgentSettings): Promise<AgentProcess> {
    const agent = AgentProcess.spawn(scratch, settings);
    await agent.message("Rules loaded", START_MS);
    return agent;
  }

  /** Starts an agent without waiting for anything. */
  static spawn(scratch: Scratch, settings: AgentSettings): AgentProcess {
    const config = scratch.file("picket.yaml");
    mkdirSync(scratch.path, { recursive: true });
    const text = typeof settings.config === "string"
      ? settings.config
      : JSON.stringify(settings.config);
    writeFileSync(config, text);
    const command = [
      ...settings.wrapper ?? [],
      PICKET,
      "run",
      "-c",
      config,
      "--log-format",
      "json",
    ];
    const [program, ...args] = [...command, ...settings.args ?? []];
    const child = spawn(program!, args, {
      stdio: "pipe",
      cwd: scratch.path,
      env: { ...process.env, ...settings.env },
    });
    child.stdin!.on("error", () => {});
    child.stdin!.end(settings.stdin ?? "");
    return new AgentProcess(child);
  }

  /** Waits for a log line, one that has come already included. */
  async message(text: string, timeoutMs = 15_000): Promise<LogLine> {
    return await this.until(
      () => this.log.find(({ fields }) => fields.message === text),
      `log message "${text}"`,
      timeoutMs,
    );
  }

  /** Waits until `probe` gives something; it is asked after each output and every 50 ms. */
  async until<T>(
    probe: () => T | undefined | Promise<T | undefined>,
    what: string,
    timeoutMs = 15_000,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    while (true) {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
      if (this.#hasExited || performance.now() > deadline) {
        const last = this.log.slice(-12).map((line) => JSON.stringify(line));
        throw new Error(
          `${this.#hasExited ? "the agent ended" : "time is up"} waiting for ${what}:\n` +
            [...this.noise.slice(-10), ...last].join("\n"),
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Where its API listens. */
  async url(): Promise<string> {
    return String((await this.message("API server listening")).fields["addr"]);
  }

  /** Asks its API; throws for anything but JSON. */
  async api(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${await this.url()}${path}`, init);
    return { status: response.status, body: await response.json() };
  }

  /** In memory now, in bytes. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Sends a signal and waits for the end. */
  async end(signal: "SIGTERM" | "SIGINT" | "SIGKILL" = "SIGTERM"): Promise<number | string> {
    if (!this.#hasExited) this.child.kill(signal);
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      try {
        this.log.push(JSON.parse(line) as LogLine);
      } catch {
        this.noise.push(line);
      }
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
