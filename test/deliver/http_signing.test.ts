/**
 * Signatures: the vectors of the specification, public vectors, and tokens that bodies contain.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { decodeKey, makeSigner } from "../../src/deliver/http/signing.ts";
import type { HttpSigning } from "../../src/runtime/settings.ts";

const SECRET = () => "picket-demo-secret";
const DEMO = {
  id: "msg_00112233445566778899aabbccddeeff-0",
  timestamp: 1_760_000_000,
  body: Buffer.from('{"text":"hello"}'),
};
const CUSTOM = { secret: SECRET, scheme: "custom", signatureHeader: "X-Sig" } as const;

// delivery.md, 12.6: settings, what is signed, header, value.
const VECTORS: readonly (readonly [string, HttpSigning, typeof DEMO, string, string])[] = [
  [
    "standard",
    { secret: SECRET, scheme: "standard" },
    DEMO,
    "webhook-signature",
    "v1,PQepRQzg5TPpy6ybvzOv5uT3bGzZ6pxOcGoyI+P8ys0=",
  ],
  [
    "standard with two keys",
    { secret: SECRET, rotateSecret: () => "picket-old-secret", scheme: "standard" },
    DEMO,
    "webhook-signature",
    "v1,PQepRQzg5TPpy6ybvzOv5uT3bGzZ6pxOcGoyI+P8ys0= " +
    "v1,XOWHgyiWWR1C2EHknTZaxiD7oqHRwEUgXqdY8xKGbAM=",
  ],
  [
    "standard without a body",
    { secret: SECRET, scheme: "standard" },
    { ...DEMO, body: Buffer.alloc(0) },
    "webhook-signature",
    "v1,8yMhAckxlKTqG6fyZXZXRii8iOtvHSxcWgBRQVS9PY8=",
  ],
  [
    "github",
    { secret: SECRET, scheme: "github" },
    DEMO,
    "X-Hub-Signature-256",
    "sha256=2e473881a8f0cbe7d3866ba7a588af50b7d98ab45a44c7c1b6aa7d1e54f2b611",
  ],
  [
    "custom, hex of sha256",
    {
      ...CUSTOM,
      valueFormat: "t={timestamp},v1={signature}",
      signedPayload: "{timestamp}.{body}",
    },
    DEMO,
    "X-Sig",
    "t=1760000000,v1=3f57de010cab42c31da4929a6aeb04a380bf0843ff6f30585fafb77373092b31",
  ],
  [
    "custom, base64 of sha512",
    {
      ...CUSTOM,
      algorithm: "sha512",
      encoding: "base64",
      valueFormat: "{signature}",
      signedPayload: "{id}.{body}",
    },
    DEMO,
    "X-Sig",
    "SClZr5UpqxnjK1JjcK96/rNqhb2w1iX1CG1F8tMTo613GzmcnAYElKOzvzRXLsrTs+Kr8gUa/IuVqEHlGu90bQ==",
  ],
  [
    "the vector of Standard Webhooks",
    {
      secret: () => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      secretEncoding: "base64",
      scheme: "standard",
    },
    {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1_614_265_330,
      body: Buffer.from('{"test": 2432232314}'),
    },
    "webhook-signature",
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  ],
  [
    "the vector of GitHub",
    { secret: () => "It's a Secret to Everybody", scheme: "github" },
    { ...DEMO, body: Buffer.from("Hello, World!") },
    "X-Hub-Signature-256",
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
  ],
];

for (const [name, signing, signed, header, value] of VECTORS) {
  test(`makeSigner() ${name}`, () => {
    const sign = makeSigner(signing, []);
    assert.equal(sign(signed)[header], value);
    // delivery.md, 21.5 row 79: the same again for a retry.
    assert.deepEqual(sign(signed), sign(signed));
  });
}

test("makeSigner() standard names id and time", () => {
  const headers = makeSigner({ secret: SECRET, scheme: "standard" }, [])(DEMO);
  assert.equal(headers["webhook-id"], DEMO.id);
  assert.equal(headers["webhook-timestamp"], "1760000000");
});

test("makeSigner() custom sets its own headers for id and time", () => {
  const sign = makeSigner({
    ...CUSTOM,
    valueFormat: "{id}:{signature}",
    signedPayload: "fixed",
    timestampHeader: "X-Time",
    idHeader: "X-Id",
    rotateSecret: () => "old",
  }, []);
  const headers = sign(DEMO);
  assert.equal(headers["X-Time"], "1760000000");
  assert.equal(headers["X-Id"], DEMO.id);
  assert.match(headers["X-Sig"]!, /^msg_\S+:[0-9a-f]{64} msg_\S+:[0-9a-f]{64}$/);
});

// delivery.md, 20.13: one pass, so a body that contains a token is signed as it is sent.
test("makeSigner() custom never replaces tokens inside what it put in", () => {
  const sign = makeSigner({
    ...CUSTOM,
    valueFormat: "{signature}",
    signedPayload: "{id}|{timestamp}|{body}",
  }, []);
  const token = fc.constantFrom("{id}", "{body}", "{timestamp}", "{signature}", "{", "}", "x");
  const text = fc.array(token, { maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(fc.property(text, text, (id, body) => {
    const expected = createHmac("sha256", SECRET()).update(`${id}|7|${body}`).digest("hex");
    assert.equal(sign({ id, timestamp: 7, body: Buffer.from(body) })["X-Sig"], expected);
  }));
});

const GOOD = { valueFormat: "{signature}", signedPayload: "{body}" };
// delivery.md, 12.6 and 21.5 row 88.
const WRONG: readonly (readonly [string, HttpSigning, readonly string[], RegExp])[] = [
  [
    "github with two keys",
    { secret: SECRET, rotateSecret: SECRET, scheme: "github" },
    [],
    /github/,
  ],
  [
    "an unknown token in the payload",
    { ...CUSTOM, ...GOOD, signedPayload: "{nope}" },
    [],
    /unknown token '\{nope\}' in custom\.signed_payload/,
  ],
  [
    "an unclosed token",
    { ...CUSTOM, ...GOOD, valueFormat: "{signature" },
    [],
    /unclosed token in custom\.value_format/,
  ],
  [
    "a format without signature",
    { ...CUSTOM, ...GOOD, valueFormat: "{id}" },
    [],
    /custom\.value_format must contain the \{signature\} token/,
  ],
  [
    "an empty header",
    { ...CUSTOM, ...GOOD, signatureHeader: " " },
    [],
    /custom\.signature_header must not be empty/,
  ],
  [
    "a header that is set already",
    { secret: SECRET, scheme: "standard" },
    ["Webhook-Signature"],
    /^signing header 'webhook-signature' collides with a configured header$/,
  ],
];

for (const [name, signing, configured, message] of WRONG) {
  test(`makeSigner() refuses ${name}`, () => {
    assert.throws(() => makeSigner(signing, configured), { code: "HTTP_SETTINGS", message });
  });
}

test("decodeKey() refuses what is no base64, or nothing", () => {
  assert.throws(() => decodeKey("whsec_", "base64", " in 'S'"), {
    message: "signing secret in 'S' decoded to an empty key",
  });
  for (const text of ["whsec_a", "ab-_", "aaaa aaaa", "aaa", "====", "whsec_whsec_"]) {
    assert.throws(() => decodeKey(text, "base64", " in 'S'"), {
      message: "secret in 'S' is not valid base64",
    });
  }
  assert.equal(decodeKey("whsec_", "utf8").toString(), "whsec_");
});

test("decodeKey() reads what base64 wrote", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), fc.boolean(), (bytes, prefixed) => {
    const text = (prefixed ? "whsec_" : "") + Buffer.from(bytes).toString("base64");
    assert.deepEqual(new Uint8Array(decodeKey(text, "base64")), bytes);
  }));
});
