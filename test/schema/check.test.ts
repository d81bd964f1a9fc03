import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSchemaConfig } from "../../src/schema/check.ts";
import { parseSchemaConfig } from "../../src/schema/config.ts";

// inputs.md, 13.3: a file, and the lines and texts of its findings.
const FINDINGS:
  readonly (readonly [text: string, findings: readonly (readonly [number, RegExp])[]])[] = [
    [
      "schemas:\n  - {name: a, match: [{field_present: x}]}\n  - {name: a, match: [{field_present: y}]}\n",
      [],
    ],
    [
      "schemas:\n  - {name: a, match: [{field_present: x}]}\n  - {name: a, match: [{field_present: x}]}\n",
      [[3, /schema 'a' is the same as that of line 2/]],
    ],
    [
      "schemas:\n  - {name: a, match: [{field_present: ecs.version}, {field_present: x}]}\n",
      [[2, /schema 'a' can never win: 'ecs' \(specificity 100\)/]],
    ],
    [
      "schemas:\n  - {name: a, specificity: 101, match: [{field_present: ecs.version}]}\n",
      [],
    ],
    [
      "routing:\n  bindings:\n    - {schema: nope}\n    - {schema: ecs}\n    - {schema: ecs, pipelines: [gone]}\n",
      [
        [3, /binding to unknown schema 'nope'/],
        [5, /schema 'ecs' is bound already in line 4/],
        [5, /no gone/],
      ],
    ],
    [
      "routing:\n  aliases:\n    ecs: nope\n    nay: ecs\n",
      [[3, /alias 'ecs': unknown schema 'nope'/], [4, /alias 'nay': unknown schema 'nay'/]],
    ],
  ];

for (const [text, findings] of FINDINGS) {
  test(`checkSchemaConfig() ${JSON.stringify(text.slice(0, 60))}: ${findings.length} findings`, () => {
    const config = parseSchemaConfig(text, "s.yml", (source) => new RegExp(source));
    const found = checkSchemaConfig(config, (pipeline) => `no ${pipeline}`);
    assert.deepEqual(found.map(({ line }) => line), findings.map(([line]) => line));
    findings.forEach(([, message], at) => assert.match(found[at]!.message, message));
  });
}
