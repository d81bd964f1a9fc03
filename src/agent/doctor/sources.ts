/**
 * Whether each source can be read.
 */
import { JetStreamApiCodes, type JetStreamManager } from "@nats-io/jetstream";
import process from "node:process";
import { dirname } from "node:path";
import { namesOf } from "../../ingest/nats/consumer.ts";
import { findLogs } from "../../ingest/evtx/paths.ts";
import { Discovery } from "../../ingest/tail/discover.ts";
import { manager } from "../../runtime/nats/jetstream.ts";
import { apiCode, describeFailure } from "../../runtime/nats/failure.ts";
import type { NatsConnections } from "../../runtime/nats/connection.ts";
import type {
  EvtxSourceSettings,
  FileSourceSettings,
  JournaldSourceSettings,
  NatsSourceSettings,
  OtlpSourceSettings,
  SourceSettings,
} from "../../runtime/settings.ts";
import { parseApiAddress } from "../config/settings.ts";
import { runProgram } from "../service/steps.ts";
import { readProblem, writeProblem } from "./files.ts";
import { type Check, fail, type Judgement, pass, warn } from "./finding.ts";
import { isListening, needsRoot } from "./ports.ts";

/** Files that are named one by one. */
const MAX_LISTED = 3;
const GRANT = process.platform === "win32"
  ? "run the service as LocalSystem, or give its account the right to read it"
  : "add the service's user to a group that may read it (adm), or install with --read-any";

export function sourceCheck(settings: SourceSettings, connections: NatsConnections): Check {
  return {
    name: `source ${settings.id}`,
    run(signal) {
      switch (settings.type) {
        case "file":
          return files(settings);
        case "evtx":
          return logs(settings);
        case "journald":
          return journal(settings, signal);
        case "stdin":
          return [pass("reads standard input")];
        case "http":
          return [pass("is fed by POST /api/v1/events")];
        case "otlp":
          return otlp(settings, signal);
        case "unix":
          return [socket(settings.path)];
        case "nats":
          return nats(settings, connections, signal);
      }
    },
  };
}

async function otlp(
  settings: OtlpSourceSettings,
  signal: AbortSignal,
): Promise<readonly Judgement[]> {
  const { http, grpc } = settings;
  const judged: Judgement[] = [];
  for (const [key, written] of [["http", http], ["grpc", grpc]] as const) {
    const address = written === undefined ? undefined : parseApiAddress(written);
    if (address?.kind !== "tcp" || address.port === 0) continue;
    if (await isListening(address, signal)) {
      judged.push(
        warn(`somebody listens at ${written}`, `right if it is the agent; else change ${key}`),
      );
    } else if (needsRoot(address.port)) {
      judged.push(warn(`${written} is a port for root`, `choose a port from 1024 in ${key}`));
    }
  }
  if (judged.length > 0) return judged;
  const places = [
    ...http === undefined ? [] : [`${http} (HTTP)`],
    ...grpc === undefined ? [] : [`${grpc} (gRPC)`],
    "POST /v1/logs of the API",
  ];
  return [pass(`takes OTLP at ${places.join(", ")}`)];
}

function files(settings: FileSourceSettings): readonly Judgement[] {
  const problems = new Set<string>();
  const absent: string[] = [];
  const found = new Set<string>();
  for (const path of settings.paths) {
    const discovery = new Discovery({ ...settings, paths: [path], readRotated: false });
    const candidates = discovery.scan(Date.now(), () => false);
    for (const candidate of candidates) found.add(candidate.path);
    for (const problem of discovery.problems.values()) problems.add(problem);
    if (candidates.length === 0 && discovery.problems.size === 0) absent.push(path);
  }
  let readable = 0;
  for (const path of found) {
    const problem = readProblem(path);
    if (problem === undefined) readable++;
    else problems.add(problem);
  }
  const judged = [...problems].slice(0, MAX_LISTED).map((problem) => fail(problem, GRANT));
  if (problems.size > MAX_LISTED) {
    judged.push(fail(`and ${problems.size - MAX_LISTED} more like that`, GRANT));
  }
  if (absent.length > 0) {
    judged.push(
      warn(
        `no file matches ${absent.slice(0, MAX_LISTED).join(", ")} yet`,
        "right if the log comes later; else correct the source's paths",
      ),
    );
  }
  if (readable > 0) judged.push(pass(`${readable} file${readable === 1 ? "" : "s"} readable`));
  return judged;
}

function logs({ channels }: EvtxSourceSettings): readonly Judgement[] {
  const places = findLogs(channels);
  const judged: Judgement[] = [];
  for (const { origin, path } of places) {
    const reason = readProblem(path);
    if (reason === undefined) continue;
    const problem = origin === path ? reason : `${origin}: ${reason}`;
    judged.push(
      /does not exist/.test(problem)
        ? warn(
          problem,
          "right if the log comes later; else install what writes it (Sysmon), or drop the channel",
        )
        : fail(problem, GRANT),
    );
  }
  const readable = places.length - judged.length;
  if (places.length === 0) {
    judged.push(warn(`no file matches ${channels.join(", ")} yet`, "check the source's channels"));
  }
  if (readable > 0) judged.push(pass(`${readable} log${readable === 1 ? "" : "s"} readable`));
  return judged;
}

async function journal(
  { command = "journalctl", directory }: JournaldSourceSettings,
  signal: AbortSignal,
): Promise<readonly Judgement[]> {
  const where = directory === undefined ? [] : [`--directory=${directory}`];
  const { code, output } = await runProgram(
    [command, ...where, "--lines=1", "--output=json", "--no-pager"],
    signal,
  );
  if (code === -1) {
    return [fail(`${command} cannot be started: ${output}`, "install systemd, or drop the source")];
  }
  // It says so and shows only what the user may see.
  if (/not seeing messages from other users/.test(output)) {
    return [
      fail(
        "only messages of this user can be read",
        "add the service's user to the group systemd-journal",
      ),
    ];
  }
  if (code !== 0) {
    return [fail(`${command} failed: ${output}`, "run it by hand and look at what it says")];
  }
  return output.includes('"__CURSOR"')
    ? [pass("the journal is readable")]
    : [warn("the journal is empty", "look whether systemd-journald runs and where it writes")];
}

function socket(path: string): Judgement {
  if (process.platform === "win32" && path.startsWith("\\\\.\\pipe\\")) {
    return pass(`listens at ${path}`);
  }
  const problem = writeProblem(`${dirname(path)}/picket-probe`);
  return problem === undefined ? pass(`can listen at ${path}`) : fail(
    `cannot listen at ${path}: ${problem}`,
    "make the directory, and give it to the service",
  );
}

async function nats(
  settings: NatsSourceSettings,
  connections: NatsConnections,
  signal: AbortSignal,
): Promise<readonly Judgement[]> {
  const lease = connections.acquire({ ...settings.nats, timeoutMs: CONNECT_MS });
  const server = settings.nats.servers.join(", ");
  try {
    const connection = await lease.link.connected(
      AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS + 500)]),
    ).catch(() => undefined);
    if (connection === undefined) {
      const { error = "no answer", failure } = lease.link.status;
      return [
        fail(
          `${server}: ${error}`,
          failure === "auth" ? "check nats.auth" : "check nats.servers, the network and the server",
        ),
      ];
    }
    return await consumer(await manager(connection, settings.nats), settings);
  } catch (error) {
    return [
      fail(
        `${server}: ${describeFailure(error)}`,
        `make the stream ${namesOf(settings).stream}, or let this user ask for it`,
      ),
    ];
  } finally {
    void lease.release();
  }
}

/** The stream and the consumer that the source would use. */
async function consumer(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
): Promise<readonly Judgement[]> {
  const { durable } = namesOf(settings);
  let { stream } = namesOf(settings);
  try {
    await jsm.streams.info(stream);
  } catch (error) {
    if (apiCode(error) !== JetStreamApiCodes.StreamNotFound) throw error;
    if (settings.createStream === true) return [pass(`stream ${stream} will be made`)];
    if (settings.stream !== undefined) throw error;
    stream = await jsm.streams.find(settings.subjects[0]!);
  }
  try {
    await jsm.consumers.info(stream, durable);
  } catch (error) {
    if (apiCode(error) !== JetStreamApiCodes.ConsumerNotFound) throw error;
    return settings.createConsumer === "never"
      ? [fail(`consumer ${durable} does not exist`, "make it, or set consumer.create: if_missing")]
      : [pass(`stream ${stream} is there, consumer ${durable} will be made`)];
  }
  return [pass(`stream ${stream} and consumer ${durable} are there`)];
}

const CONNECT_MS = 3000;
