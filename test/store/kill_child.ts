/** Commits in a loop until it is killed; tells on stdout what has been committed. */
import { writeSync } from "node:fs";
import process from "node:process";
import { openState } from "../../src/store/open_state.ts";
import { commitOf, drain, newAlert } from "./helpers.ts";

const [path, fsync] = process.argv.slice(2);
const state = openState(path!, {
  fingerprint: { machine_id: "m1" },
  reserveBytes: 0,
  outbox: { fsync: fsync === "normal" ? "normal" : "full", maxBytes: 1 << 30 },
  recentAlerts: 10,
});
if (state.recovery !== undefined) {
  writeSync(1, `recovery ${state.recovery.problem}\n`);
  process.exit(9);
}
state.registerSinks([{ id: "keeps", filter: {} }, { id: "takes", filter: {} }], 1);
writeSync(1, `open ${state.position("s") ?? 0}\n`);
// The position is the number of the last alert; each batch begins one record before it.
for (let next = Number(state.position("s") ?? 0);;) {
  const last = next + 1 + (next * 7) % 40;
  const alerts = Array.from({ length: last - next + 1 }, (_, at) => newAlert(next + at));
  state.commit(commitOf(alerts.filter(({ recordId }) => recordId !== "0"), 1, { s: String(last) }));
  writeSync(1, `committed ${last}\n`);
  if (last % 3 === 0) drain(state, "takes", 1);
  next = last;
}
