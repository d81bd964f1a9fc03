/**
 * The agent beside `picket scan` and beside the reference's daemon: events a second on one core.
 *
 *   bun bench/agent.bench.ts EVENTS.ndjson RULES [--rsigma PATH] [--rounds N]
 *
 * Each program is pinned to one core with `taskset` and reads the same lines with the same rules. The
 * agent reads them from standard input and, in a row of its own, from a followed file; it commits
 * with a disk flush (its default) and delivers into a file. Rounds alternate; medians are printed.
 * Times are of the whole process, start and rule loading included, and once more without these.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const PICKET = fileURLToPath(new URL("../dist/picket", import.meta.url));

interface Round {
  /** Of the whole process. */
  readonly seconds: number;
  /** From the moment rules were loaded, where the program tells it. */
  readonly reading: number | undefined;
  readonly results: number;
}

interface Row {
  readonly name: string;
  run(directory: string): Promise<Round>;
}

const [events, rules] = process.argv.slice(2).filter((arg) => !arg.startsWith("--"))
  .map((path) => resolve(path));
if (events === undefined || rules === undefined) {
  console.error("usage: bun bench/agent.bench.ts EVENTS.ndjson RULES [--rsigma PATH] [--rounds N]");
  process.exit(3);
}
const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const rounds = Number(option("rounds") ?? 5);
const rsigma = option("rsigma");
const lines = readFileSync(events).reduce((count, byte) => byte === 10 ? count + 1 : count, 0);

const pin = spawnSync("taskset", ["-c", "0", "true"]).status === 0 ? ["taskset", "-c", "0"] : [];

/** Runs a command line; `input` becomes its stdin. */
function timed(
  command: readonly string[],
  input: string | undefined,
  onLine: (line: string, stop: () => void) => void,
): Promise<{ readonly seconds: number; readonly stdout: string }> {
  const [program, ...args] = [...pin, ...command];
  const startedAt = performance.now();
  return new Promise((done, fail) => {
    const child = spawn(program!, args, {
      stdio: [input === undefined ? "ignore" : openSync(input, "r"), "pipe", "pipe"],
    });
    let stdout = "";
    let rest = "";
    child.stdout!.on("data", (bytes: Uint8Array) => stdout += new TextDecoder().decode(bytes));
    child.stderr!.on("data", (bytes: Uint8Array) => {
      const parts = (rest + new TextDecoder().decode(bytes)).split("\n");
      rest = parts.pop()!;
      for (const line of parts) onLine(line, () => child.kill());
    });
    child.on("error", fail);
    child.on("close", () => done({ seconds: (performance.now() - startedAt) / 1000, stdout }));
  });
}

function count(text: string): number {
  return text.split("\n").filter((line) => line !== "").length;
}

function agentConfig(directory: string, source: object): string {
  const path = join(directory, "picket.yaml");
  const config = {
    rules: { paths: [rules] },
    sources: [{ id: "in", format: "json", ...source }],
    sinks: [{ id: "out", type: "file", path: join(directory, "out.ndjson"), fsync: "none" }],
    state: { path: join(directory, "state/state.db") },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const rows: Row[] = [
  {
    name: "picket scan",
    async run(directory) {
      const out = join(directory, "scan.ndjson");
      const { seconds } = await timed(
        [PICKET, "scan", "--rules", rules, "--threads", "1", "-q", events, "-o", out],
        undefined,
        () => {},
      );
      return { seconds, reading: undefined, results: count(readFileSync(out, "utf8")) };
    },
  },
  {
    name: "picket run, stdin",
    async run(directory) {
      const config = agentConfig(directory, { type: "stdin" });
      return await agentRound(directory, config, events);
    },
  },
  {
    name: "picket run, followed file",
    async run(directory) {
      const config = agentConfig(directory, { type: "file", paths: [events], start_at: "start" });
      return await agentRound(directory, config, undefined);
    },
  },
];

/** Stdin ends by itself; a followed file is stopped when all of it has been read. */
async function agentRound(
  directory: string,
  config: string,
  input: string | undefined,
): Promise<Round> {
  let readyAt = 0;
  let readAt = 0;
  const { seconds } = await timed(
    [PICKET, "run", "-c", config, "--log-format", "json"],
    input,
    (line, stop) => {
      const { message, addr } = (JSON.parse(line) as {
        fields: { message: string; addr?: string };
      }).fields;
      if (message === "Event source started") {
        readyAt = performance.now();
        if (input === undefined) {
          void whenRead(address).then(() => {
            readAt = performance.now();
            stop();
          });
        }
      }
      if (message === "API server listening") address = addr!;
      if (message.startsWith("Every source")) readAt = performance.now();
    },
  );
  return {
    seconds,
    reading: (readAt - readyAt) / 1000,
    results: count(readFileSync(join(directory, "out.ndjson"), "utf8")),
  };
}

let address = "";

async function whenRead(url: string): Promise<void> {
  for (let last = -1;;) {
    await new Promise((wait) => setTimeout(wait, 25));
    const answer = await fetch(`${url}/api/v1/inputs`);
    const { items } = await answer.json() as {
      items: { events_total: number; lag: { bytes?: number } }[];
    };
    const { events_total: total, lag } = items[0]!;
    if (total > 0 && total === last && lag.bytes === 0) return;
    last = total;
  }
}

if (rsigma !== undefined && existsSync(rsigma)) {
  rows.push({
    name: "rsigma engine daemon, stdin",
    async run(directory) {
      const out = join(directory, "rsigma.ndjson");
      let readyAt = 0;
      const { seconds } = await timed(
        [
          ...[rsigma, "engine", "daemon", "--rules", rules, "--input", "stdin"],
          ...["--input-format", "json", "--output", `file://${out}`],
          ...["--api-addr", "127.0.0.1:0"],
          ...["--logsource-routing", "--event-logsource", "product=windows"],
        ],
        events,
        (line) => {
          if (line.includes("Event source started")) readyAt = performance.now();
        },
      );
      const reading = readyAt === 0 ? undefined : (performance.now() - readyAt) / 1000;
      return { seconds, reading, results: count(readFileSync(out, "utf8")) };
    },
  });
}

const found = new Map<string, Round[]>(rows.map(({ name }) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const { name, run } of rows) {
    const directory = mkdtempSync(join(tmpdir(), "picket-bench-"));
    try {
      found.get(name)!.push(await run(directory));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

console.log(`${lines} lines, ${rounds} rounds, medians${pin.length > 0 ? ", one core" : ""}`);
for (const [name, all] of found) {
  const whole = median(all.map(({ seconds }) => seconds));
  const reading = all.map((round) => round.reading).filter((one) => one !== undefined);
  const perSecond = Math.round(lines / whole);
  console.log(
    `${name.padEnd(30)} ${String(perSecond).padStart(8)} events/s, whole process ` +
      `${whole.toFixed(2)} s${
        reading.length === 0
          ? ""
          : `; reading alone ${Math.round(lines / median(reading))} events/s`
      }; ${all[0]!.results} results`,
  );
}
