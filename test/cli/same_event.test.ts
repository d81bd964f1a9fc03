/**
 * A line is the same event to `eval`, `scan` and `explain`, and to the processor that the agent hands
 * its lines to.
 */
import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { test } from "node:test";
import { jsonText } from "../../src/event/json_text.ts";
import { isObject, type Value } from "../../src/event/value.ts";
import { LogProcessor } from "../../src/runtime/log_processor.ts";
import { parseTimeZone } from "../../src/event/zone.ts";
import { picket, TempFiles } from "../support/cli_io.ts";

const NOW = Date.UTC(2026, 10, 23, 20);
const LINES: readonly string[] = [
  '{"EventID":1,"n":18446744073709551615,"a":{"b":[1,{"c":"x"}]}}',
  '[{"a":1},{"a":2}]',
  "{not json}",
  "<34>Oct 11 22:14:15 web su: 'su root' failed for lonvick on /dev/pts/8",
  '<165>1 2024-01-15T10:30:00.003+01:00 web app 1234 ID47 [x@1 iut="3"] \ufeffUp',
  '<134>1 2024-01-15T10:30:00Z web app 9 M - {"EventID":1,"syslog_hostname":"keep"}',
  "Dec 10 06:55:46 web sshd[24200]: Failed password for root from 192.0.2.9 port 4711 ssh2",
  "Feb 29 06:55:46 web sshd[24200]: there is no such day",
  "Feb 14 19:04:54 fw CEF:0|V|P|10|T|t|7|src=192.0.2.9 cs1Label=Rule cs1=x name=other",
  "LEEF:2.0|V|P|1.0|41|^|src=192.0.2.9^dst=192.0.2.8",
  'level=info msg="café \\"x\\"" took=12ms',
  'type=SYSCALL msg=audit(1364481363.243:24287): syscall=2 success=no comm="cat" exe="/bin/cat"',
  '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>' +
  "<EventID>1102</EventID><Channel>Security</Channel></System></Event>",
  '192.0.2.1 - - [10/Oct/2024:13:55:36 -0700] "GET /?a=1&b=2 HTTP/1.0" 200 2326',
  "[   12.345678] usb 1-1: new device",
  "\tat com.example.Foo.bar(Foo.java:12)",
];
const READING = ["--syslog-tz", "Europe/Berlin", "--no-logsource-routing", "--no-embedded-rules"];
const ANY = ruleOf({ no_such_field: null });

/** A rule that asks for all of `selection`. */
function ruleOf(selection: Readonly<Record<string, null | string>>): string {
  return JSON.stringify({ title: "Any", detection: { s: selection, condition: "s" } });
}

/** The events that a command sees in the file, from its results. */
async function written(args: readonly string[], files: TempFiles): Promise<readonly Value[]> {
  const rest = ["-r", files.path("any.yml"), "--include-event", "--output-format", "ndjson"];
  const { out, err } = await picket([...args, ...rest, ...READING]);
  assert.notEqual(out, "", err);
  return out.trim().split("\n").map((line) => (JSON.parse(line) as { event: Value }).event);
}

async function processed(line: string, rules: string): Promise<readonly Value[]> {
  const events: Value[] = [];
  const processor = await LogProcessor.open({ rules });
  processor.startBatch([line], { nowMs: NOW, syslogZone: parseTimeZone("Europe/Berlin")! }, {
    matched: () => {},
    failed: ({ message }) => assert.fail(message),
    decoded: (_index, event) => events.push(JSON.parse(jsonText(event.toValue())) as Value),
  }).step(Infinity);
  return events;
}

interface Explained {
  readonly conditions: readonly {
    readonly detection: {
      readonly items: readonly { readonly field: string; readonly actual?: string }[];
    };
  }[];
}

for (const line of LINES) {
  test(`picket sees the same event everywhere in ${line.slice(0, 60)}`, async () => {
    using files = new TempFiles({ "any.yml": ANY, "app.log": `${line}\n` });
    const log = files.path("app.log");
    utimesSync(log, NOW / 1000, NOW / 1000);
    const events = await written(["eval", "-e", `@${log}`], files);
    assert.deepEqual(await written(["scan", log, "--threads", "1"], files), events);
    assert.deepEqual(await processed(line, files.path("any.yml")), events);

    const first = events[0]!;
    const texts = isObject(first)
      ? Object.entries(first).filter(([, value]) => typeof value === "string")
      : [];
    // Of CEF a name may stand twice: rules see the first, its JSON is the last.
    const own = texts.filter(([name]) => name !== "name" && name !== "_raw");
    if (own.length === 0) return;
    const asked = Object.fromEntries(own.map(([name]) => [`${name}|re`, "."]));
    using rules = new TempFiles({ "own.yml": ruleOf(asked) });
    const args = ["explain", "-r", rules.path("own.yml"), "-e", `@${log}`, "--output-format"];
    const { out } = await picket([...args, "ndjson", "--limit", "1", ...READING]);
    const [condition] = (JSON.parse(out.split("\n")[0]!) as Explained).conditions;
    const actual = condition!.detection.items.map(({ field, actual }) => [field, actual]);
    assert.deepEqual(actual, own);
  });
}
