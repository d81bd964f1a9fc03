/**
 * Text for terminals, tables and CSV of a scan.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { csvLine } from "../../cli/render/csv.ts";
import { hitRenderer, OUTPUT_FORMATS, shortChannel } from "../../cli/render/hits.ts";
import { ProgressLine } from "../../cli/render/progress.ts";
import {
  bytes,
  count,
  fit,
  pad,
  painter,
  plural,
  renderTable,
  safeText,
  textWidth,
} from "../../cli/render/text.ts";
import type { CliIo } from "../../cli/io.ts";
import { FakeIo } from "../support/cli_io.ts";

const PLAIN = painter(false);
/** Anything that could move the cursor or turn text around. */
// deno-lint-ignore no-control-regex
const STEERING = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Texts as hostile logs have them. */
const nasty = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.array(
    fc.constantFrom("a", "漢", "😀", "e\u0301", "\u001b[2J", "\r", "\n", "\u202e", "\ud800"),
    { maxLength: 60 },
  ).map((parts) => parts.join("")),
);

test("safeText() leaves nothing that steers a terminal and keeps the rest", () => {
  fc.assert(fc.property(nasty, (text) => {
    assert.doesNotMatch(safeText(text), STEERING);
    if (!STEERING.test(text)) assert.equal(safeText(text), text);
  }));
  assert.equal(safeText("a\u001b[31mb\tc\u202e"), "a\\x1b[31mb c\\x202e");
});

test("textWidth() counts columns", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["", 0],
    ["abc", 3],
    ["äöü", 3],
    ["e\u0301", 1],
    ["漢字", 4],
    ["한글", 4],
    ["ｆｕｌｌ", 8],
    ["😀", 2],
  ];
  for (const [text, width] of cases) assert.equal(textWidth(text), width, text);
});

test("fit() and pad() keep to the width", () => {
  fc.assert(fc.property(nasty, fc.integer({ min: 1, max: 30 }), (text, width) => {
    const safe = safeText(text);
    assert.ok(textWidth(fit(safe, width)) <= width);
    assert.equal(textWidth(pad(safe, width)), width);
    if (textWidth(safe) <= width) assert.equal(fit(safe, width), safe);
    else assert.ok(fit(safe, width).endsWith("…"));
  }));
});

test("renderTable() aligns columns and ends lines without blanks", () => {
  const lines = renderTable(["HITS", "RULE", "X"], [["1", "漢字", ""], ["12,345", "abcdef", "y"]]);
  assert.deepEqual(lines, [
    "  HITS  RULE    X",
    "------  ------  -",
    "     1  漢字",
    "12,345  abcdef  y",
  ]);
});

test("numbers are written for people", () => {
  assert.equal(count(1_234_567), "1,234,567");
  assert.equal(count(999.6), "1,000");
  assert.equal(plural(1, "file"), "1 file");
  assert.equal(plural(0, "file"), "0 files");
  assert.equal(bytes(1023), "1023 B");
  assert.equal(bytes(1536), "1.5 KiB");
  assert.equal(bytes(5 << 20), "5.0 MiB");
});

/** A reader of RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const cell = /("(?:[^"]|"")*"|[^",\n\r]*)(,|\n|$)/gy;
  while (cell.lastIndex < text.length) {
    const [, content, end] = cell.exec(text)!;
    const isQuoted = content!.startsWith('"');
    rows.at(-1)!.push(isQuoted ? content!.slice(1, -1).replaceAll('""', '"') : content!);
    if (end === "\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

test("csvLine() comes back from a CSV reader as it was", () => {
  const cells = fc.array(
    fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", "ä", " ") }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(fc.property(fc.array(cells, { minLength: 1, maxLength: 4 }), (rows) => {
    assert.deepEqual(parseCsv(rows.map(csvLine).join("")), rows);
  }));
});

function hitJson(overrides: Readonly<Record<string, unknown>> = {}, source = {}): string {
  return JSON.stringify({
    rule_title: 'A "quoted", long title of a rule that says what has happened in many words',
    rule_id: "0000",
    level: "high",
    tags: ["attack.t1059.001", "attack.execution"],
    matched_selections: ["selection", "filter"],
    matched_fields: [
      { field: "Image", value: "C:\\a.exe" },
      { field: "List", value: ["x", 1, null, { y: 2 }] },
    ],
    ...overrides,
    source: {
      path: "/logs/Security.evtx",
      record_id: 4711,
      channel: "Microsoft-Windows-Sysmon/Operational",
      computer: "WS01.corp.example",
      timestamp: "2025-03-11T08:15:21.204567Z",
      ...source,
    },
  });
}

const OPTIONS = { columns: 100, paint: PLAIN, pretty: false };

test("hitRenderer() writes CSV with a cell for every column", () => {
  const renderer = hitRenderer("csv", OPTIONS);
  const [header, row] = parseCsv(renderer.header + renderer.render(hitJson()));
  assert.deepEqual(Object.fromEntries(header!.map((name, at) => [name, row![at]])), {
    timestamp: "2025-03-11T08:15:21.204567Z",
    level: "high",
    rule_title: 'A "quoted", long title of a rule that says what has happened in many words',
    rule_id: "0000",
    computer: "WS01.corp.example",
    channel: "Microsoft-Windows-Sysmon/Operational",
    record_id: "4711",
    path: "/logs/Security.evtx",
    tags: "attack.t1059.001 attack.execution",
    matched_selections: "selection filter",
    details: 'Image=C:\\a.exe, List=x | 1 | null | {"y":2}',
  });
});

test("hitRenderer() passes JSON on as it is, or indents it", () => {
  const json = hitJson();
  for (const format of ["json", "ndjson"] as const) {
    assert.equal(hitRenderer(format, OPTIONS).render(json), `${json}\n`);
  }
  const pretty = hitRenderer("json", { ...OPTIONS, pretty: true }).render(json);
  assert.deepEqual(JSON.parse(pretty), JSON.parse(json));
  assert.ok(pretty.split("\n").length > 20);
  const large = hitRenderer("json", { ...OPTIONS, pretty: true })
    .render(json.replace("4711", "9007199254740993"));
  assert.match(large, /"record_id": 9007199254740993\b/);
});

test("hitRenderer() lays the table out by the terminal's width", () => {
  const table = (columns: number, json: string): string =>
    hitRenderer("table", { ...OPTIONS, columns }).render(json).trimEnd();
  assert.match(
    table(100, hitJson()),
    /^2025-03-11 08:15:21 {2}high {6}A "quoted", .*… {2}WS01 +Sysmon #4711$/,
  );
  assert.match(
    table(160, hitJson()),
    /^2025-03-11 08:15:21\.204 .* WS01\.corp\.example .*Image=C:\\a/,
  );
  assert.match(
    table(100, hitJson({}, { channel: "Application", record_id: 12_345_678 })),
    / Appli\S*… #12345678$/,
  );
  assert.match(table(100, hitJson({}, { computer: "192.168.100.200" })), / 192\.168\.1\S*… /);
  const bare = hitJson({ level: null }, {
    timestamp: null,
    computer: null,
    channel: null,
    record_id: null,
  });
  assert.match(table(100, bare), /^- {20}none {6}A .* - +Security\.evtx$/);
});

test("hitRenderer() keeps any hit on one line of the terminal", () => {
  fc.assert(fc.property(
    nasty,
    nasty,
    nasty,
    fc.integer({ min: 20, max: 250 }),
    fc.oneof(fc.constant(null), fc.nat()),
    (title, computer, value, columns, id) => {
      const fields = [{ field: value, value: title }];
      const json = hitJson(
        { rule_title: title, matched_fields: fields },
        { computer, channel: value, record_id: id },
      );
      const renderer = hitRenderer("table", { ...OPTIONS, columns });
      for (const line of [renderer.header, renderer.render(json)]) {
        assert.ok(line.endsWith("\n"));
        assert.doesNotMatch(line.slice(0, -1), STEERING);
        assert.ok(textWidth(line.slice(0, -1)) <= Math.max(60, columns));
      }
    },
  ));
});

test("hitRenderer() bears any text in every format", () => {
  fc.assert(fc.property(nasty, fc.constantFrom(...OUTPUT_FORMATS), (text, format) => {
    const json = hitJson({ rule_title: text, tags: [text] }, { path: text, timestamp: text });
    assert.ok(hitRenderer(format, { ...OPTIONS, pretty: true }).render(json).endsWith("\n"));
  }));
});

test("shortChannel() leaves what tells channels apart", () => {
  assert.equal(shortChannel("Microsoft-Windows-Sysmon/Operational"), "Sysmon");
  assert.equal(shortChannel("Microsoft-Windows-WMI-Activity/Trace"), "WMI-Activity/Trace");
  assert.equal(shortChannel("Security"), "Security");
});

/** A terminal that remembers what was drawn. */
function terminal(
  overrides: Partial<CliIo> = {},
): { readonly io: CliIo; readonly drawn: string[] } {
  const drawn: string[] = [];
  const io = Object.assign(new FakeIo(), {
    errRaw: (text: string) => void drawn.push(text),
    errIsTerminal: true,
    columns: 60,
    ...overrides,
  });
  return { io, drawn };
}

const PROGRESS = {
  bytes: 50 << 20,
  events: 123_456,
  unitsDone: 1,
  byLevel: { informational: 3, critical: 2, none: 1 },
};

test("ProgressLine fits the terminal and is wiped", () => {
  const { io, drawn } = terminal({ columns: 200 });
  const line = new ProgressLine(io, 3, 100 << 20, false);
  line.update(PROGRESS);
  line.update(PROGRESS); // Too soon after the first.
  line.clear();
  assert.equal(drawn.length, 2);
  assert.equal(drawn[0]!.slice(0, 4), "\r\u001b[K");
  assert.match(
    drawn[0]!.slice(4),
    /^50% of 100\.0 MiB, 3 files · 123,456 events · .*2 critical, 3 info$/,
  );
  assert.equal(drawn[1], "\r\u001b[K");
  const narrow = terminal();
  new ProgressLine(narrow.io, 3, 100 << 20, false).update(PROGRESS);
  assert.ok(textWidth(narrow.drawn[0]!.slice("\r\u001b[K".length)) < 60);
});

test("ProgressLine is silent without a terminal, in CI, on dumb terminals and with --quiet", () => {
  const cases: readonly (readonly [Partial<CliIo>, boolean])[] = [
    [{ errIsTerminal: false }, false],
    [{ env: { CI: "true" } }, false],
    [{ env: { TERM: "dumb" } }, false],
    [{}, true],
  ];
  for (const [overrides, quiet] of cases) {
    const { io, drawn } = terminal(overrides);
    const line = new ProgressLine(io, 3, 100, quiet);
    line.update(PROGRESS);
    line.clear();
    assert.deepEqual(drawn, []);
  }
});
