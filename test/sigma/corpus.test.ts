/** SigmaHQ's rules, read in place: `../shared/corpus/sigma` beside the project. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { assembleRules } from "../../src/sigma/assemble.ts";
import { checkRules, type LintFinding } from "../../src/sigma/lint.ts";
import type { ParsedFile } from "../../src/sigma/parse.ts";
import { damaged } from "../arbitraries/sigma_yaml.ts";

const CORPUS = new URL("../../../shared/corpus/sigma/", import.meta.url);
const FOLDERS = ["rules", "rules-emerging-threats", "rules-threat-hunting"];
const skip = existsSync(CORPUS) ? false : `no SigmaHQ rules at ${CORPUS.pathname}`;

function ruleTexts(folder: string): readonly (readonly [path: string, text: string])[] {
  return readdirSync(new URL(`${folder}/`, CORPUS), { recursive: true, encoding: "utf8" })
    .filter((path) => /\.ya?ml$/.test(path))
    .map((path) => path.replaceAll("\\", "/"))
    .sort()
    .map((path) => [
      `${folder}/${path}`,
      readFileSync(new URL(`${folder}/${path}`, CORPUS), "utf8"),
    ]);
}

// Two rules of 2026 compare with a list of certificate servers that only their reader knows.
const UNRESOLVED = [
  "rules-emerging-threats/2026/Exploits/CVE-2026-54121/" +
  "win_security_adcs_certighost_cdc_chase_request.yml",
  "rules-emerging-threats/2026/Exploits/CVE-2026-54121/" +
  "win_security_adcs_certighost_cert_issued_via_chase.yml",
];

test("every SigmaHQ rule loads but those with an unresolved placeholder", { skip }, () => {
  const files: ParsedFile[] = [];
  const findings: LintFinding[] = [];
  for (const [path, text] of FOLDERS.flatMap(ruleTexts)) {
    const checked = checkRules(text, path);
    files.push(checked.parsed);
    findings.push(...checked.findings);
  }
  const collection = assembleRules(files);
  const { rules, correlations, filters, problems } = collection;
  assert.deepEqual(
    problems.map(({ severity, code, path, message }) => [
      severity,
      code,
      path,
      message.slice(0, 38),
    ]),
    UNRESOLVED.map((path) => [
      "error",
      "unresolved_placeholder",
      path,
      "unresolved placeholder '%known_cdcs%':",
    ]),
  );
  assert.equal(rules.length, files.length - UNRESOLVED.length);
  assert.deepEqual([correlations.length, filters.length], [0, 0]);
  assert.deepEqual([...new Set(findings.map(({ rule }) => rule))], ["wildcard_only_value"]);
  assert.deepEqual(JSON.parse(JSON.stringify(collection)), collection);
});

test("every placeholder rule loads once its lists are there", { skip }, () => {
  for (const [path, text] of ruleTexts("rules-placeholder")) {
    const bare = checkRules(text, path).parsed;
    assert.deepEqual(bare.rules, [], path);
    assert.ok(bare.problems.every(({ code }) => code === "unresolved_placeholder"), path);
    const names = [...text.matchAll(/%([^%\s]+)%/g)].map((match) => match[1]!);
    const placeholders = new Map(names.map((name) => [name, ["a", "b*"]]));
    const filled = checkRules(text, path, { placeholders }).parsed;
    assert.deepEqual([filled.rules.length, filled.problems], [1, []], path);
    const fromEvent = checkRules(text, path, { expandFromEvent: true }).parsed;
    assert.deepEqual([fromEvent.rules.length, fromEvent.problems], [1, []], path);
  }
});

test("damaged SigmaHQ rules throw nothing", { skip }, () => {
  const texts = ruleTexts("rules-threat-hunting");
  const damagedRule = fc.constantFrom(...texts).chain(([, text]) => damaged(text));
  fc.assert(fc.property(damagedRule, (text) => {
    const { parsed } = checkRules(text, "r.yml");
    assert.deepEqual(JSON.parse(JSON.stringify(parsed)), parsed);
  }));
});
