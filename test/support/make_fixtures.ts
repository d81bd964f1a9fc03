/**
 * Writes `fixtures/evtx`, `fixtures/json` and `fixtures/syslog` anew: `bun test/support/make_fixtures.ts`.
 *
 * The files are a function of the sources alone, so they can be checked in and compared.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeEvtx, type WriteOptions } from "./evtx_writer.ts";
import type { WindowsEventSpec } from "./evtx_event.ts";
import { flatWindows, linuxAuthentication, ndjson, winlogbeat } from "./fixture_json.ts";
import { linuxAuthLog } from "./fixture_syslog.ts";
import {
  DC01_RDP_AUTHENTICATION,
  DC01_RDP_SESSIONS,
  DC01_SECURITY,
  DC01_SYSMON,
  DC01_SYSTEM,
  WS01_DEFENDER,
  WS01_POWERSHELL,
  WS01_SYSMON,
  WS02_LOGS,
  WS02_SYSMON,
} from "./fixture_story.ts";

/** Every fixture file of this maker: its path below `fixtures/` and its bytes. */
export function fixtureFiles(): ReadonlyMap<string, Uint8Array> {
  const text = (value: string) => new TextEncoder().encode(value);
  return new Map([
    ["evtx/ws01/sysmon.evtx", log(WS01_SYSMON, 4101n, { terminated: true })],
    ["evtx/ws01/powershell.evtx", log(WS01_POWERSHELL, 310n)],
    ["evtx/ws01/defender.evtx", log(WS01_DEFENDER, 77n)],
    ["evtx/dc01/security.evtx", log(DC01_SECURITY, 90_210n)],
    ["evtx/dc01/system.evtx", log(DC01_SYSTEM, 5150n)],
    ["evtx/dc01/rdp_authentication.evtx", log(DC01_RDP_AUTHENTICATION, 12n, { terminated: true })],
    ["evtx/dc01/rdp_sessions.evtx", log(DC01_RDP_SESSIONS, 40n, { terminated: true })],
    ["evtx/dc01/sysmon_damaged.evtx", damagedLog()],
    ["json/ws02_flat.ndjson", text(ndjson(WS02_LOGS.map(flatWindows)))],
    ["json/ws02_winlogbeat.ndjson", text(ndjson(WS02_SYSMON.map(winlogbeat)))],
    ["json/web02_linux.ndjson", text(ndjson(linuxAuthentication()))],
    ["syslog/web03/auth.log", text(linuxAuthLog())],
  ]);
}

function log(
  events: readonly WindowsEventSpec[],
  firstId: bigint,
  options: WriteOptions = {},
): Uint8Array {
  const numbered = events.map((event, at) => ({ ...event, recordId: firstId + BigInt(at) }));
  return writeEvtx(numbered, options).bytes;
}

/**
 * DC01's Sysmon log as a power failure and a bad disk leave it: a dirty header that knows of no chunk,
 * a chunk header that lags behind, the header of the second record overwritten, and the end of the
 * chunk cut off behind the last record.
 */
function damagedLog(): Uint8Array {
  const events = DC01_SYSMON.map((event, at) => ({ ...event, recordId: 2201n + BigInt(at) }));
  const intact = writeEvtx(events, { terminated: true });
  const last = intact.records.at(-1)!;
  const { bytes, records } = writeEvtx(events, {
    terminated: true,
    file: { flags: 1, chunkCount: 0, nextRecordId: 2201n, truncateTo: last.offset + last.size },
    chunks: [{ lastId: 2206n, recordsChecksum: 0 }],
  });
  bytes.fill(0xcc, records[1]!.offset, records[1]!.offset + 24);
  return bytes;
}

if (import.meta.main) {
  const root = join(dirname(fileURLToPath(import.meta.url)), "../../fixtures");
  for (const [path, bytes] of fixtureFiles()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
}
