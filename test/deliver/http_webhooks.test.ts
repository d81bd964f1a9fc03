/**
 * Webhook files: the schema, its defaults, and the text of every error.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { httpSink, type WebhookSettings } from "../../src/deliver/http/sink.ts";
import { parseDuration } from "../../src/runtime/duration.ts";
import { loadWebhooks } from "../../src/deliver/http/webhooks.ts";
import { HttpError } from "../../src/runtime/http/errors.ts";
import { escapeJson, parseTemplate, renderTemplate } from "../../src/runtime/template.ts";

const directory = mkdtempSync(join(tmpdir(), "picket-webhooks-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const ENV: Readonly<Record<string, string>> = {
  TOK: "t",
  SIGN: "secret",
  EMPTY: "",
  PREFIX_ONLY: "whsec_",
  BAD_BASE64: "not base64!",
};
const CONTEXT = { egress: { policy: "default" }, env: (name: string) => ENV[name] } as const;

let files = 0;
function file(text: string): string {
  const path = join(directory, `webhooks-${++files}.yml`);
  writeFileSync(path, text);
  return path;
}

function load(text: string): readonly WebhookSettings[] {
  return loadWebhooks([file(text)], CONTEXT);
}

/** A webhook with `more` lines, each indented by four. */
function hook(
  more: string,
  base = "id: hub\n    kind: detection\n    url: https://hub.test/",
): string {
  return `webhooks:\n  - ${base}\n${more.split("\n").map((line) => `    ${line}\n`).join("")}`;
}

// delivery.md, 12.2 and 21.5 row 80, as far as Picket delivers from its outbox.
test("loadWebhooks() fills in the defaults", () => {
  const [webhook, ...more] = load(hook("# nothing else"));
  assert.equal(more.length, 0);
  const { webhook: marker, ...settings } = webhook!;
  assert.equal(marker?.kind, "detection");
  assert.deepEqual(settings, {
    id: "hub",
    type: "http",
    mode: "template",
    filter: { kinds: ["detection"] },
    url: "https://hub.test/",
    method: "POST",
    headers: {},
    timeoutMs: 10_000,
    backoffBaseMs: 1_000,
    backoffMaxMs: 30_000,
    egress: CONTEXT.egress,
  });
});

// delivery.md, 21.5 row 81.
test("loadWebhooks() reads every key", () => {
  const [webhook] = load(hook(`method: put
headers: {Authorization: "Bearer \${TOK}", X-Number: 7}
body: '{"text": "\${detection.rule.title}"}'
timeout: 1m 30s
retry: {attempts: 5, backoff: 2s, max_backoff: 45s}
rate_limit: {requests: 3, per: 1m}
scope: {rules: ["Odd *", abc-1], tags: ["attack.*"], levels: [critical, high]}
queue_size: 256
signing:
  secret_env: SIGN
  rotate_secret_env: TOK
  scheme: custom
  custom:
    algorithm: sha512
    encoding: base64
    signature_header: X-Sig
    value_format: "{signature}"
    signed_payload: "{timestamp}.{body}"
    timestamp_header: X-Time
    id_header: X-Id
expect_status: [409]
max_redirects: 2
proxy: http://proxy.test:3128`));
  const { signing, webhook: marker, ...settings } = webhook!;
  assert.deepEqual(settings, {
    id: "hub",
    type: "http",
    mode: "template",
    filter: { kinds: ["detection"], minLevel: "high", rules: ["Odd *", "abc-1"] },
    url: "https://hub.test/",
    method: "PUT",
    headers: { Authorization: "Bearer ${TOK}", "X-Number": "7" },
    body: '{"text": "${detection.rule.title}"}',
    timeoutMs: 90_000,
    backoffBaseMs: 2_000,
    backoffMaxMs: 45_000,
    rateLimit: { requests: 3, perMs: 60_000 },
    expectStatus: [409],
    maxRedirects: 2,
    proxy: "http://proxy.test:3128",
    egress: CONTEXT.egress,
  });
  assert.ok(signing?.scheme === "custom");
  assert.equal(signing.secret(), "secret");
  assert.equal(signing.rotateSecret?.(), "t");
  assert.equal(signing.algorithm, "sha512");
  assert.equal(signing.idHeader, "X-Id");
  const result = { ruleId: "abc-1", ruleTitle: "x", level: "high" } as const;
  assert.equal(marker?.scope({ ...result, tags: () => ["attack.t1"] }), true);
  assert.equal(marker?.scope({ ...result, level: "low", tags: () => ["attack.t1"] }), false);
  assert.equal(marker?.scope({ ...result, tags: () => [] }), false);
  assert.equal(httpSink(webhook!, CONTEXT).id, "hub");
});

test("loadWebhooks() leaves to the outbox only what its filter can tell", () => {
  const [classes] = load(hook('scope: {rules: ["[AB]*"], levels: [low, critical]}'));
  // Levels between are kept out by the scope, classes of characters too.
  assert.deepEqual(classes?.filter, { kinds: ["detection"], minLevel: "low" });
});

test("loadWebhooks() reads directories in order of names, and files without webhooks", () => {
  const nested = join(directory, "nested");
  mkdirSync(nested);
  const one = (id: string) => `webhooks: [{id: ${id}, kind: correlation, url: "https://x/"}]`;
  writeFileSync(join(nested, "b.yaml"), one("second"));
  writeFileSync(join(nested, "a.yml"), one("first"));
  writeFileSync(join(nested, "c.txt"), "no: webhooks");
  writeFileSync(join(nested, "d.yml"), "");
  writeFileSync(join(nested, "e.yml"), "webhooks: []");
  assert.deepEqual(loadWebhooks([nested], CONTEXT).map(({ id }) => id), ["first", "second"]);
  assert.deepEqual(loadWebhooks([], CONTEXT), []);
});

// delivery.md, 12.3 and 12.6; 21.5 rows 82 to 88. [what, lines of the webhook, message]
const CORRELATION = "id: hub\n    kind: correlation\n    url: https://hub.test/";
const WRONG: readonly (readonly [string, string, RegExp | string])[] = [
  [
    "kind",
    hook("", "id: hub\n    kind: other\n    url: https://x/"),
    "unknown kind 'other' (valid kinds: detection, correlation; ",
  ],
  [
    "kind incident",
    hook("", "id: hub\n    kind: incident\n    url: https://x/"),
    "unknown kind 'incident'",
  ],
  [
    "no kind",
    hook("", "id: hub\n    url: https://x/"),
    "invalid webhooks YAML: webhook 'hub': missing field 'kind'",
  ],
  [
    "no id",
    hook("", "kind: detection\n    url: https://x/"),
    "invalid webhooks YAML: webhook: missing field 'id'",
  ],
  [
    "no url",
    hook("", "id: hub\n    kind: detection"),
    "webhook 'hub': missing required field 'url'",
  ],
  [
    "blank url",
    hook("", 'id: hub\n    kind: detection\n    url: "  "'),
    "webhook 'hub': missing required field 'url'",
  ],
  ["method", hook('method: "G T"'), "webhook 'hub': invalid HTTP method 'G T'"],
  [
    "wrong namespace in body",
    hook("body: ${correlation.type}"),
    "webhook 'hub' (kind: detection): template reference '${correlation.type}' in field 'body' is the wrong namespace for a detection webhook",
  ],
  [
    "wrong namespace in a header",
    hook("headers: {X-A: '${detection.rule.id}'}", CORRELATION),
    "webhook 'hub' (kind: correlation): template reference '${detection.rule.id}' in field 'headers.X-A' is the wrong namespace for a correlation webhook",
  ],
  [
    "malformed reference",
    hook("body: ${rule.id}"),
    "webhook 'hub': malformed template reference '${rule.id}' in field 'body'; expected ${detection.*}, ${correlation.*}, or ${ENV_VAR}",
  ],
  [
    "unset variable",
    hook("body: ${NOPE}"),
    "webhook 'hub': environment variable 'NOPE' in field 'body' is not set",
  ],
  ["attempts", hook("retry: {attempts: 0}"), "webhook 'hub': retry.attempts must be at least 1"],
  [
    "requests",
    hook("rate_limit: {requests: 0, per: 1s}"),
    "webhook 'hub': rate_limit.requests must be at least 1",
  ],
  [
    "per",
    hook("rate_limit: {requests: 1, per: 0s}"),
    "webhook 'hub': rate_limit.per must be greater than zero",
  ],
  [
    "half a rate limit",
    hook("rate_limit: {requests: 1}"),
    "invalid webhooks YAML: webhook 'hub': rate_limit needs both",
  ],
  ["bare duration", hook("timeout: 10"), "invalid webhooks YAML: webhook 'hub': timeout: expected"],
  [
    "bad duration",
    hook("timeout: soon"),
    "invalid webhooks YAML: webhook 'hub': timeout: expected a duration",
  ],
  [
    "half a client identity",
    hook("tls: {client_cert: a.pem}"),
    "webhook 'hub': tls.client_cert and tls.client_key must be set together for mutual TLS",
  ],
  [
    "unreadable CA",
    hook("tls: {ca: /nowhere/ca.pem}"),
    /webhook 'hub': failed to read tls\.ca '\/nowhere\/ca\.pem': .*ENOENT/,
  ],
  ["scope glob", hook("scope: {rules: ['[x']}"), "webhook 'hub': invalid scope.rules glob '[x': "],
  [
    "scope level",
    hook("scope: {levels: [High]}"),
    "webhook 'hub': invalid scope.levels entry 'High'",
  ],
  [
    "unknown key",
    hook("timout: 3s"),
    "webhook 'hub': unknown key 'timout' (did you mean 'timeout'?)",
  ],
  [
    "unknown key inside",
    hook("retry: {atempts: 3}"),
    "webhook 'hub': retry: unknown key 'atempts' (did you mean 'attempts'?)",
  ],
  [
    "unknown key above",
    "webhook: []",
    "top level: unknown key 'webhook' (did you mean 'webhooks'?)",
  ],
  ["no list", "webhooks: {id: a}", "invalid webhooks YAML: webhooks: expected a list"],
  ["no mapping", "webhooks: [3]", "invalid webhooks YAML: webhook: expected a mapping"],
  ["no YAML", "webhooks: [", "invalid webhooks YAML: "],
  [
    "unset secret",
    hook("signing: {secret_env: NOPE}"),
    "webhook 'hub': signing secret environment variable 'NOPE' is unset or empty",
  ],
  [
    "empty secret",
    hook("signing: {secret_env: EMPTY}"),
    "webhook 'hub': signing secret environment variable 'EMPTY' is unset or empty",
  ],
  [
    "empty key",
    hook("signing: {secret_env: PREFIX_ONLY, secret_encoding: base64}"),
    "webhook 'hub': signing secret in 'PREFIX_ONLY' decoded to an empty key",
  ],
  [
    "no base64",
    hook("signing: {secret_env: BAD_BASE64, secret_encoding: base64}"),
    "webhook 'hub': secret in 'BAD_BASE64' is not valid base64",
  ],
  [
    "encoding",
    hook("signing: {secret_env: SIGN, secret_encoding: hex}"),
    "webhook 'hub': unknown secret_encoding 'hex'",
  ],
  [
    "scheme",
    hook("signing: {secret_env: SIGN, scheme: aws}"),
    "webhook 'hub': unknown signing scheme 'aws' (valid: standard, github, custom)",
  ],
  [
    "custom without a block",
    hook("signing: {secret_env: SIGN, scheme: custom}"),
    "webhook 'hub': scheme 'custom' requires a 'custom:' block",
  ],
  [
    "algorithm",
    hook("signing: {secret_env: SIGN, scheme: custom, custom: {algorithm: md5}}"),
    "webhook 'hub': unknown custom.algorithm 'md5'",
  ],
  [
    "structure before secrets",
    hook("signing: {secret_env: NOPE, rotate_secret_env: NOPE, scheme: github}"),
    "webhook 'hub': scheme 'github' cannot sign with two keys",
  ],
  [
    "collision",
    hook("headers: {Webhook-Signature: x}\nsigning: {secret_env: SIGN}"),
    "webhook 'hub': signing header 'webhook-signature' collides with a configured header",
  ],
  [
    "a body that is no text",
    hook("body: {a: 1}"),
    "invalid webhooks YAML: webhook 'hub': body: expected text",
  ],
];

for (const [name, text, message] of WRONG) {
  test(`loadWebhooks() refuses ${name}`, () => {
    assert.throws(() => load(text), (error) => {
      assert.ok(error instanceof HttpError, String(error));
      assert.equal(error.code, "HTTP_SETTINGS");
      if (typeof message === "string") assert.ok(error.message.includes(message), error.message);
      else assert.match(error.message, message);
      return true;
    });
  });
}

test("loadWebhooks() says where, tells every wrong webhook, and shows no secret", () => {
  const path = file(`webhooks:
  - {id: a, kind: detection, url: "https://x/"}
  - {id: b, kind: nope, url: "https://x/"}
  - id: c
    kind: detection
    url: https://x/
    signing: {secret_env: BAD_BASE64, secret_encoding: base64}
`);
  const missing = join(directory, "missing.yml");
  assert.throws(() => loadWebhooks([path, missing], CONTEXT), (error) => {
    assert.ok(error instanceof HttpError);
    const lines = error.message.split("\n");
    assert.equal(lines.length, 3);
    assert.ok(lines[0]!.startsWith(`${path}:3: webhook 'b': unknown kind`), lines[0]!);
    assert.ok(lines[1]!.startsWith(`${path}:4: webhook 'c': secret in 'BAD_BASE64'`), lines[1]!);
    assert.ok(lines[2]!.startsWith(`failed to read webhooks config '${missing}': `), lines[2]!);
    assert.doesNotMatch(error.message, /not base64!/);
    return true;
  });
});

// delivery.md, 21.5 row 91.
test("loadWebhooks() refuses an id that two files have", () => {
  const one = file(hook("# one"));
  const two = file(hook("# two"));
  assert.throws(() => loadWebhooks([one, two], CONTEXT), {
    message: `${two}:2: duplicate webhook id 'hub'`,
  });
});

// delivery.md, 20.13: a default makes a missing variable no error.
test("loadWebhooks() accepts missing variables that have a default", () => {
  const [webhook] = load(hook("body: '${NOPE:-}${NOPE:-https://x.y}'"));
  assert.equal(webhook?.body, "${NOPE:-}${NOPE:-https://x.y}");
});

// delivery.md, 12.2: the humantime form.
const DURATIONS: readonly (readonly [string, number | undefined])[] = [
  ["500ms", 500],
  ["1m 30s", 90_000],
  ["1h30m", 5_400_000],
  ["2days", 172_800_000],
  ["1week", 604_800_000],
  ["5min", 300_000],
  ["0s", 0],
  ["10", undefined],
  ["", undefined],
  ["1.5s", undefined],
  ["-1s", undefined],
  ["1 s", undefined],
  ["1parsec", undefined],
  ["9".repeat(12) + "w", undefined],
];

for (const [text, expected] of DURATIONS) {
  test(`parseDuration() ${text}: ${expected}`, () => {
    assert.equal(parseDuration(text), expected);
  });
}

test("loadWebhooks() fails with HttpError only, whatever a file contains", () => {
  const key = fc.constantFrom("id", "kind", "url", "headers", "body", "retry", "tls", "signing");
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom("detection", "https://x/", "${", "${A}"));
  const text = fc.oneof(
    fc.string(),
    fc.dictionary(key, value).map((entry) => JSON.stringify({ webhooks: [entry] })),
    fc.jsonValue().map((json) => JSON.stringify({ webhooks: json })),
  );
  const path = file("");
  fc.assert(fc.property(text, (content) => {
    writeFileSync(path, content);
    try {
      for (const { id } of loadWebhooks([path], CONTEXT)) assert.equal(typeof id, "string");
    } catch (error) {
      assert.ok(error instanceof HttpError, String(error));
    }
  }));
});

// The recipes must load, and make JSON of any title.
test("the examples of docs/webhooks.md load and make JSON", () => {
  const text = readFileSync(new URL("../../docs/webhooks.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/```yaml\n(webhooks:\n[^]*?)```/g)].map((match) => match[1]!);
  assert.equal(examples.length, 5);
  const env = (name: string) => name.endsWith("_URL") ? "https://hook.test/x" : "value";
  for (const example of examples) {
    for (const webhook of loadWebhooks([file(example)], { ...CONTEXT, env })) {
      const body = renderTemplate(
        parseTemplate(webhook.body ?? ""),
        env,
        () => 'two "quoted"\nlines\\',
        escapeJson,
      );
      assert.equal(typeof JSON.parse(body), "object", webhook.id);
    }
  }
});
