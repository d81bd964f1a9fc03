import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { decodeJson } from "../../src/decode/json.ts";
import {
  BundleError,
  decodeBundle,
  encodeBundle,
  isBundle,
  readBundleHeader,
} from "../../src/engine/bundle.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { assembleRules } from "../../src/sigma/assemble.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { eventJson, rule } from "../arbitraries/sigma_rule.ts";
import { ruleText } from "../support/rules.ts";

const FILTER = "---\ntitle: F\nfilter: {agent: {Agent: yes}, condition: not agent}\n";
const CONTENT = parseRules(
  `${ruleText({ sel: "F|contains: abc" }, "sel", "id: one\nscore: 5\n")}---\n${
    ruleText({ sel: "'EventID': [1, 2]", more: "G|re: '^x.z$'" }, "sel and more")
  }${FILTER}`,
  "r.yml",
);

const keys = () =>
  generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });

function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    assert.ok(error instanceof BundleError, String(error));
    return error.code;
  }
}

/** Everything a rule says, whether its members are parsed already or on demand. */
function said(one: DetectionRule): string {
  const { title, id, logsource, customAttributes, selections, conditions, filters, origin } = one;
  return jsonText({
    title,
    id,
    logsource,
    customAttributes,
    selections,
    conditions,
    filters,
    origin,
  });
}

test("decodeBundle() gives back what encodeBundle() packed", () => {
  const bytes = encodeBundle(CONTENT, 3);
  assert.equal(isBundle(bytes), true);
  const { sha256, ...header } = readBundleHeader(bytes);
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual(header, {
    picket_bundle: header.picket_bundle,
    rules: 2,
    correlations: 0,
    filters: 1,
    skipped: 3,
  });
  const content = decodeBundle(bytes);
  assert.deepEqual(content.rules.map(said), CONTENT.rules.map(said));
  assert.deepEqual(content.filters, CONTENT.filters);
  // What came out of a bundle can be packed again.
  assert.deepEqual(decodeBundle(encodeBundle(content, 0)).rules.map(said), CONTENT.rules.map(said));
});

test("rules of a bundle match what they matched before, filters included", () => {
  const content = decodeBundle(encodeBundle(CONTENT, 0));
  const bundled = new RuleEngine(assembleRules([{ path: "b", ...content, problems: [] }]).rules);
  const parsed = new RuleEngine(assembleRules([CONTENT]).rules);
  const events = [
    { F: "xABCx" },
    { F: "abc", Agent: "yes" },
    { EventID: 2, G: "xyz" },
    { EventID: "1", G: "xyz", Agent: "no" },
    { EventID: 3, G: "xyz" },
  ];
  const matched = events.map((event) => {
    const [one, other] = [bundled, parsed].map((engine) =>
      jsonText(engine.evaluate(decodeJson(jsonText(event))))
    );
    assert.equal(one, other);
    return one !== "[]";
  });
  assert.deepEqual(matched, [true, false, true, true, false]);
});

test("any rules match the same before and after a bundle", () => {
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 4 }), eventJson, (rules, json) => {
      const bytes = encodeBundle({ rules, correlations: [], filters: [] }, 0);
      const bundled = new RuleEngine(decodeBundle(bytes).rules);
      const event = decodeJson(json);
      assert.deepEqual([...bundled.match(event)], [...new RuleEngine(rules).match(event)]);
    }),
    { numRuns: 300 },
  );
});

test("decodeBundle() never gives other rules for a damaged bundle", () => {
  const bytes = encodeBundle(CONTENT, 0);
  const whole = CONTENT.rules.map(said);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ change;
      let rules: readonly string[];
      try {
        rules = decodeBundle(damaged).rules.map(said);
      } catch (error) {
        assert.ok(error instanceof BundleError, String(error));
        return;
      }
      // Only what the header says about the number of rules is not covered by the digest.
      assert.deepEqual(rules, whole);
      assert.ok(at < bytes.indexOf(10), "a change behind the header went unnoticed");
    }),
    { numRuns: 1000 },
  );
});

test("decodeBundle() refuses every cut-off bundle", () => {
  const bytes = encodeBundle(CONTENT, 0);
  for (let length = 0; length < bytes.length; length++) {
    assert.notEqual(codeOf(() => decodeBundle(bytes.subarray(0, length))), "none", String(length));
  }
});

test("decodeBundle() takes any bytes", () => {
  const head = new TextEncoder().encode('{"picket_bundle":1');
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (tail, begins) => {
    const bytes = begins ? Uint8Array.from([...head, ...tail]) : tail;
    assert.notEqual(codeOf(() => decodeBundle(bytes)), "none");
  }));
});

test("decodeBundle() checks signatures", () => {
  const { privateKey, publicKey } = keys();
  const signed = encodeBundle(CONTENT, 0, privateKey);
  assert.equal(decodeBundle(signed, publicKey).rules.length, 2);
  assert.equal(decodeBundle(signed).rules.length, 2);
  assert.equal(codeOf(() => decodeBundle(signed, keys().publicKey)), "BUNDLE_SIGNATURE");
  assert.equal(codeOf(() => decodeBundle(encodeBundle(CONTENT, 0), publicKey)), "BUNDLE_SIGNATURE");
  // Another's content under this header, and a signature that is no text.
  const other = encodeBundle({ ...CONTENT, filters: [] }, 0, keys().privateKey);
  const header = readBundleHeader(other);
  const forge = (signature: unknown) => {
    const line = `${jsonText({ ...header, signature })}\n`;
    const packed = other.subarray(other.indexOf(10) + 1);
    return Uint8Array.from([...new TextEncoder().encode(line), ...packed]);
  };
  const own = readBundleHeader(signed).signature;
  for (const signature of [own, 5, null, "", "!!"]) {
    assert.equal(codeOf(() => decodeBundle(forge(signature), publicKey)), "BUNDLE_SIGNATURE");
  }
});

test("a bundle of another version says so", () => {
  const line = new TextEncoder().encode('{"picket_bundle":999}\n');
  assert.equal(codeOf(() => readBundleHeader(line)), "BUNDLE_VERSION");
  assert.equal(codeOf(() => decodeBundle(line)), "BUNDLE_VERSION");
});
