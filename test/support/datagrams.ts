/**
 * A Unix datagram socket as systemd has it, behind a few lines of Python: `node:dgram` knows none.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import process from "node:process";

const PROGRAM = `
import socket, sys, json
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound", flush=True)
while True:
    print(json.dumps(s.recv(65536).decode()), flush=True)
`;

function skipReason(): string | false {
  if (process.platform !== "linux") return "systemd is on Linux only";
  try {
    execFileSync("python3", ["-c", "import socket"], { stdio: "ignore" });
    return false;
  } catch {
    return "python3 is not installed, which receives datagrams here";
  }
}

/** For a test's `skip`. */
export const RECEIVER_SKIP: string | false = skipReason();
if (RECEIVER_SKIP !== false) console.log(`skipped: ${RECEIVER_SKIP}`);

export class DatagramReceiver implements AsyncDisposable {
  readonly messages: string[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #rest = "";
  #isBound = false;

  private constructor(path: string) {
    const child = spawn("python3", ["-c", PROGRAM, path], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("close", resolve));
    child.stdout!.on("data", (bytes: Uint8Array) => {
      const lines = (this.#rest + new TextDecoder().decode(bytes)).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) {
        if (!this.#isBound) this.#isBound = true;
        else this.messages.push(JSON.parse(line) as string);
      }
    });
  }

  /** @param path Of a file, or `@` and an abstract name. */
  static async open(path: string): Promise<DatagramReceiver> {
    const receiver = new DatagramReceiver(path);
    await receiver.#until(() => receiver.#isBound, "the socket");
    return receiver;
  }

  /** Waits for a message that `wanted` occurs in. */
  async message(wanted: string | RegExp, timeoutMs = 15_000): Promise<string> {
    const matches = (text: string): boolean =>
      typeof wanted === "string" ? text.split("\n").includes(wanted) : wanted.test(text);
    await this.#until(() => this.messages.some(matches), `message ${wanted}`, timeoutMs);
    return this.messages.find(matches)!;
  }

  async #until(holds: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > deadline) {
        throw new Error(`no ${what}; messages: ${JSON.stringify(this.messages)}`);
      }
      await new Promise((wake) => setTimeout(wake, 10));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
