import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { Authenticator, type AuthSettings, isLoopback } from "../../src/admin/auth.ts";
import { hostName } from "../../src/admin/guard.ts";
import { covers, makeRoles, parseGrant, type Permission } from "../../src/admin/permissions.ts";
import { Lockout, RateLimiter } from "../../src/admin/rate_limit.ts";
import {
  createToken,
  generateToken,
  readLastUsed,
  readTokenFile,
  revokeToken,
} from "../../src/admin/token_file.ts";

// daemon.md 4.2 and 19.3: grant, permission, covered.
const GRANTS: readonly (readonly [string, Permission, boolean])[] = [
  ["silences:write", "silences:write", true],
  ["silences:write", "silences:read", false],
  ["silences:*", "silences:write", true],
  ["*:read", "status:read", true],
  ["*:read", "reload:execute", false],
  ["*:read", "tap:read", false],
  ["*:read", "audit:read", false],
  ["*:read!", "tap:read", true],
  ["*:read!", "reload:execute", false],
  ["tap:read", "tap:read", true],
  ["tap:*", "tap:read", true],
  ["*", "tap:read", true],
  ["*:*", "audit:read", true],
  [" *:read ", "status:read", true],
  ["incidents:read", "incident-bundles:read", false],
];

for (const [grant, permission, covered] of GRANTS) {
  test(`${grant} ${covered ? "covers" : "does not cover"} ${permission}`, () => {
    assert.equal(covers([parseGrant(grant, "x")], permission), covered);
  });
}

test("parseGrant() refuses what is no permission, and never throws anything else", () => {
  for (const wrong of ["", "silences", "Silences:read", "a b:read", "res:", ":act", "a:b:c", "!"]) {
    assert.throws(() => parseGrant(wrong, "token 'x'"), {
      message: /token 'x': invalid permission/,
    });
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseGrant(text, "x");
    } catch (error) {
      assert.equal((error as { readonly code?: unknown }).code, "ADMIN_AUTH");
    }
  }));
});

test("operators may do what the reference lets them, and cannot reload", () => {
  const roles = makeRoles({});
  const operator = roles.get("operator")!;
  assert.ok(covers(operator, "silences:write"));
  assert.ok(!covers(operator, "reload:execute"));
  assert.ok(covers(roles.get("ingest")!, "events:ingest"));
  assert.ok(!covers(roles.get("ingest")!, "status:read"));
});

const secret = (value: string) => () => value;

// daemon.md 4.4 and 17.2, 39 and 41: settings that cannot be used, and what is said.
const WRONG: readonly (readonly [string, AuthSettings, RegExp])[] = [
  [
    "an unset variable",
    {
      tokens: [{
        name: "a",
        role: "reader",
        secret: () => {
          throw new Error("environment variable 'T' is unset or empty");
        },
      }],
    },
    /token 'a': environment variable 'T' is unset or empty/,
  ],
  ["an empty secret", { tokens: [{ name: "a", role: "reader", secret: secret("") }] }, /empty/],
  ["an empty name", { tokens: [{ name: " ", role: "reader", secret: secret("x") }] }, /empty name/],
  [
    "an unknown role",
    { tokens: [{ name: "a", role: "b", secret: secret("x") }] },
    /token 'a' references unknown role 'b'/,
  ],
  [
    "a duplicate name",
    {
      tokens: [
        { name: "a", role: "reader", secret: secret("x") },
        { name: "a", role: "reader", secret: secret("y") },
      ],
    },
    /duplicate token name 'a'/,
  ],
  [
    "the same secret twice",
    {
      tokens: [
        { name: "a", role: "reader", secret: secret("x") },
        { name: "b", role: "reader", secret: secret("x") },
      ],
    },
    /tokens 'a' and 'b' have the same secret/,
  ],
  [
    "role and permissions",
    { tokens: [{ name: "a", role: "reader", permissions: ["*"], secret: secret("x") }] },
    /token 'a' sets both .* use exactly one/,
  ],
  [
    "neither",
    { tokens: [{ name: "a", secret: secret("x") }] },
    /token 'a' needs a 'role' or a 'permissions' list/,
  ],
  ["a built-in role", { roles: { admin: ["*"] } }, /role 'admin' is built in/],
  ["an empty role", { roles: { soc: [] } }, /role 'soc' has an empty permission list/],
  [
    "a wrong grant",
    { anonymousPermissions: ["x"] },
    /anonymous_permissions: invalid permission 'x'/,
  ],
];

for (const [what, settings, message] of WRONG) {
  test(`${what} keeps the API from starting`, () => {
    assert.throws(() => new Authenticator(settings, Date.now, () => {}), {
      code: "ADMIN_AUTH",
      message,
    });
  });
}

class TempFile implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "picket-tokens-"));
  readonly path = join(this.#directory, "tokens.json");

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

test("a token file gives what was put into it, and takes nothing else", () => {
  using file = new TempFile();
  assert.deepEqual(readTokenFile(file.path), []);
  const token = createToken(file.path, { name: "a", role: "reader" }, 1000);
  createToken(file.path, { name: "b", permissions: ["tap:read"], expires: 2000 }, 1000);
  assert.deepEqual(readTokenFile(file.path).map(({ name, expires }) => [name, expires]), [
    ["a", null],
    ["b", 2000],
  ]);
  assert.ok(Authenticator.isGenerated(token));
  assert.ok(revokeToken(file.path, "a"));
  assert.ok(!revokeToken(file.path, "a"));
  if (process.platform !== "win32") {
    assert.equal(statSync(file.path).mode & 0o777, 0o600);
    chmodSync(file.path, 0o666);
    assert.throws(() => readTokenFile(file.path), { message: /others may write it/ });
    chmodSync(file.path, 0o600);
  }
  for (const wrong of ["", "{", "[]", '{"version":2,"tokens":[]}', '{"version":1,"tokens":[{}]}']) {
    writeFileSync(file.path, wrong);
    assert.throws(() => readTokenFile(file.path), { code: "ADMIN_TOKENS" }, wrong);
  }
});

test("the use of a token is noted at the end", () => {
  using file = new TempFile();
  const token = createToken(file.path, { name: "a", role: "reader" }, 1000);
  {
    using auth = new Authenticator({ tokenFile: file.path }, () => 5_000_500, () => {});
    assert.equal(auth.identify(token)?.name, "a");
    assert.equal(auth.identify(generateToken()), undefined);
    assert.equal(auth.identify("x".repeat(5000)), undefined);
  }
  assert.deepEqual([...readLastUsed(file.path)], [["a", 5000]]);
});

test("a rotated secret counts from the next request on", () => {
  let current = "first";
  const tokens = [{ name: "a", role: "admin", secret: () => current }];
  using auth = new Authenticator({ tokens }, Date.now, () => {});
  assert.equal(auth.identify("first")?.name, "a");
  current = "second";
  assert.equal(auth.identify("first"), undefined);
  assert.equal(auth.identify("second")?.name, "a");
  current = "";
  assert.equal(auth.identify(""), undefined, "an emptied secret lets nobody in");
});

test("isLoopback() and hostName()", () => {
  for (const yes of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]) {
    assert.ok(isLoopback(yes));
  }
  for (const no of ["128.0.0.1", "10.0.0.1", "::2", "127.0.0.1.evil", "localhost", "unknown"]) {
    assert.ok(!isLoopback(no));
  }
  assert.equal(hostName("Agent.Example:9090"), "agent.example");
  assert.equal(hostName("[::1]:9090"), "::1");
  for (const wrong of ["", "a b", "a:b:c", "user@host", "[::1", "a/b"]) {
    assert.equal(hostName(wrong), undefined);
  }
});

test("RateLimiter lets through at most burst and rate, and what it asks to wait is enough", () => {
  const steps = fc.array(
    fc.record({ pauseMs: fc.nat(3000), cost: fc.integer({ min: 1, max: 5 }) }),
    { maxLength: 60 },
  );
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 5, max: 40 }),
    steps,
    (rate, burst, all) => {
      const limiter = new RateLimiter(rate, burst);
      let now = 0;
      let taken = 0;
      for (const { pauseMs, cost } of all) {
        now += pauseMs;
        const waitMs = limiter.take("a", now, cost);
        if (waitMs === 0) taken += cost;
        else {
          now += waitMs;
          assert.equal(limiter.take("a", now, cost), 0, "waiting was enough");
          taken += cost;
        }
        assert.ok(taken <= burst + rate * now / 1000 + 1e-6);
      }
    },
  ));
});

test("a limiter of 0 and a lockout of 0 do nothing; keys do not pile up", () => {
  const none = new RateLimiter(0, 1);
  for (let at = 0; at < 100; at++) assert.equal(none.take("a", 0), 0);
  const never = new Lockout(0);
  for (let at = 0; at < 100; at++) never.fail("a", 0);
  assert.equal(never.remainingMs("a", 0), 0);
  const limiter = new RateLimiter(1, 1);
  for (let at = 0; at < 20_000; at++) limiter.take(`peer-${at}`, 0);
  assert.ok(limiter.take("peer-19999", 0) > 0, "recent keys are kept");
  assert.equal(limiter.take("peer-0", 0), 0, "the stalest are forgotten");
});
