/** Putting the records of audit events together. `inputs.md` 20.1; `auditd` and its `auparse`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AuditJoiner } from "../../src/decode/auditd/join.ts";
import { auditLog } from "../arbitraries/auditd.ts";

/** What comes of `lines`, at the end and before, with the numbers of the lines. */
function join(lines: readonly string[]) {
  const events: { readonly text: string; readonly places: readonly number[] }[] = [];
  let limits = 0;
  const joiner = new AuditJoiner<number>(
    (text, places) => events.push({ text, places }),
    () => limits++,
  );
  lines.forEach((line, at) => joiner.line(line, at));
  const before = events.length;
  joiner.flush();
  return { events, before, limits };
}

const line = (type: string, serial: number, rest = "", seconds = "100.000") =>
  `type=${type} msg=audit(${seconds}:${serial}): ${rest}`;

const CALL = line("SYSCALL", 1), PATH = line("PATH", 1), TITLE = line("PROCTITLE", 1);

/** What, the lines, the numbers of the lines of each event, how many come before the end. */
const ENDS: readonly (readonly [string, readonly string[], readonly number[][], number])[] = [
  ["the process title", [CALL, PATH, TITLE], [[0, 1, 2]], 1],
  ["EOE, which is no part of it", [CALL, PATH, line("EOE", 1)], [[0, 1]], 1],
  ["EOE behind the title", [CALL, TITLE, line("EOE", 1)], [[0, 1]], 1],
  ["nothing", [CALL, PATH], [[0, 1]], 0],
  ["its type", [line("USER_LOGIN", 1), line("CRED_ACQ", 2)], [[0], [1]], 2],
  [
    "a type that is never followed",
    [line("SERVICE_STOP", 1), line("DAEMON_END", 2)],
    [[0], [1]],
    2,
  ],
  ["types that are", [line("ANOM_ABEND", 1), line("AVC", 2), line("LOGIN", 3)], [[0], [1], [2]], 0],
  ["a title alone", [TITLE], [[0]], 1],
  ["others among it", [CALL, line("SYSCALL", 2), PATH, line("PROCTITLE", 2), TITLE], [
    [1, 3],
    [0, 2, 4],
  ], 2],
  ["time, by the next record", [CALL, PATH, line("SYSCALL", 2, "", "101.999"), TITLE], [
    [0, 1, 3],
    [2],
  ], 1],
  ["two seconds", [CALL, PATH, line("SYSCALL", 2, "", "102.000")], [[0, 1], [2]], 1],
  ["not by the clock of another machine", [CALL, `node=b ${line("SYSCALL", 2, "", "900.000")}`], [
    [0],
    [1],
  ], 0],
  ["other lines, which pass", ["Jan  1 x", CALL, "", "plain", TITLE], [[0], [3], [1, 4]], 3],
  [
    "equal ids of several machines",
    [
      `node=a ${CALL}`,
      `node=b ${CALL}`,
      `node=a ${TITLE}`,
      `node=b ${TITLE}`,
    ],
    [[0, 2], [1, 3]],
    2,
  ],
];
for (const [name, lines, expected, before] of ENDS) {
  test(`AuditJoiner ends an event by ${name}`, () => {
    const joined = join(lines);
    assert.deepEqual(joined.events.map(({ places }) => places), expected);
    assert.equal(joined.before, before);
    for (const { text, places } of joined.events) {
      assert.equal(text, places.map((at) => lines[at]).join("\n"));
    }
  });
}

test("AuditJoiner gives up an event 500 lines after its last record", () => {
  const others = (count: number) =>
    Array.from({ length: count }, (_, at) => line("USER_END", at + 10));
  assert.deepEqual(join([CALL, ...others(499), TITLE]).events.at(-1)?.places, [0, 500]);
  const given = join([CALL, ...others(500), TITLE]).events;
  assert.deepEqual(given.map(({ places }) => places).filter((places) => places[0] === 0), [[0]]);
});

test("AuditJoiner bounds an event and all of them", () => {
  const long = join([CALL, ...Array.from({ length: 700 }, () => PATH)]);
  assert.deepEqual(long.events.map(({ places }) => places.length), [500, 201]);
  assert.equal(long.limits, 1);
  const wide = join([CALL, ...Array.from({ length: 10 }, () => PATH + "x".repeat(60_000))]);
  assert.equal(wide.events[0]?.places.length, 6);
  const many = join(Array.from({ length: 80 }, (_, at) => line("SYSCALL", at)));
  assert.deepEqual([many.before, many.limits], [16, 16]);
  const huge = join(
    Array.from({ length: 20 }, (_, at) => line("SYSCALL", at, "x".repeat(1 << 20))),
  );
  assert.deepEqual([huge.before, huge.limits], [13, 13]);
});

test("AuditJoiner gives each event whole, however its records stand among others", () => {
  fc.assert(fc.property(auditLog, ({ events, lines }) => {
    const joined = join(lines);
    assert.equal(joined.before, joined.events.length, "nothing is left for the end");
    const expected = events.map((own) => own.filter((one) => !one.includes("type=EOE")).join("\n"));
    const byFirst = joined.events.toSorted((a, b) => a.places[0]! - b.places[0]!);
    assert.deepEqual(byFirst.map(({ text }) => text), expected);
  }));
});

test("AuditJoiner takes any lines, loses none and never gives one twice", () => {
  const any = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom(CALL, PATH, TITLE, line("SYSCALL", 2), line("EOE", 2), line("USER_AUTH", 1)),
    fc.tuple(fc.constantFrom("SYSCALL", "AVC", "X"), fc.nat(4), fc.nat(200)).map(([type, id, s]) =>
      line(type, id, "", `${s}.000`)
    ),
  );
  fc.assert(fc.property(fc.array(any, { maxLength: 60 }), (lines) => {
    const given = join(lines).events.flatMap(({ places }) => places).toSorted((a, b) => a - b);
    const wanted = [...lines.keys()].filter((at) =>
      lines[at] !== "" && !lines[at]!.startsWith("type=EOE msg=audit(")
    );
    assert.deepEqual(given, wanted);
  }));
});

test("AuditJoiner is not slowed by events that never end", () => {
  const lines = Array.from({ length: 80_000 }, (_, at) => line("SYSCALL", at, "x=1 ".repeat(20)));
  const start = performance.now();
  join(lines);
  assert.ok(performance.now() - start < 3000);
});
