/**
 * The egress policy: classes of addresses, lists, and that no spelling of an address gets through.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addressClasses,
  embeddedIpv4,
  parseAddress,
  parseCidr,
} from "../../src/runtime/http/address.ts";
import { HttpClient } from "../../src/runtime/http/client.ts";
import { egressPolicy } from "../../src/runtime/http/egress.ts";
import { HttpError } from "../../src/runtime/http/errors.ts";
import type { EgressSettings } from "../../src/runtime/settings.ts";
import { serve } from "../support/http_servers.ts";

type Preset = EgressSettings["policy"];
const NEVER = new AbortController().signal;

// delivery.md, 21.6 rows 92 to 95, 20.8; pipelines.md, 28 and rows 148 to 153.
const ADDRESSES: readonly (readonly [Preset, address: string, expected: string | undefined])[] = [
  ["default", "169.254.169.254", "link-local"],
  ["default", "fe80::1", "link-local"],
  ["default", "fe80::1%eth0", "link-local"],
  ["default", "fd00:ec2::254", "cloud-metadata"],
  ["default", "fd20:ce::254", "cloud-metadata"],
  ["default", "127.0.0.1", undefined],
  ["default", "10.0.0.1", undefined],
  ["default", "192.168.1.1", undefined],
  ["default", "::1", undefined],
  ["default", "8.8.8.8", undefined],
  ["default", "2606:4700::1111", undefined],
  ["default", "::ffff:169.254.169.254", "link-local"],
  ["default", "::ffff:a9fe:a9fe", "link-local"],
  ["default", "::169.254.169.254", "link-local"],
  ["default", "64:ff9b::169.254.169.254", "link-local"],
  ["default", "64:ff9b:1::169.254.169.254", "link-local"],
  ["default", "2002:a9fe:a9fe::1", "link-local"],
  ["default", "::ffff:0:169.254.169.254", "link-local"],
  ["default", "2001:db8::5efe:169.254.169.254", "link-local"],
  ["default", "169.254.170.2", "link-local"],
  ["default", "100.100.100.200", "cloud-metadata"],
  ["default", "168.63.129.16", "cloud-metadata"],
  ["default", "192.0.0.192", "cloud-metadata"],
  ["default", "64:ff9b::168.63.129.16", "cloud-metadata"],
  ["default", "0.0.0.0", "link-local"],
  ["default", "0.1.2.3", "link-local"],
  ["default", "255.255.255.255", "link-local"],
  ["default", "224.0.0.1", "link-local"],
  ["default", "240.0.0.1", "link-local"],
  ["default", "::", "link-local"],
  ["default", "ff02::1", "link-local"],
  ["default", "100.64.0.1", undefined],
  ["strict", "127.0.0.1", "loopback"],
  ["strict", "127.255.255.254", "loopback"],
  ["strict", "10.0.0.1", "private"],
  ["strict", "172.31.255.255", "private"],
  ["strict", "172.32.0.0", undefined],
  ["strict", "fc00::1", "private"],
  ["strict", "fec0::1", "private"],
  ["strict", "::1", "loopback"],
  ["strict", "::ffff:127.0.0.1", "loopback"],
  ["strict", "::127.0.0.1", "loopback"],
  ["strict", "64:ff9b::7f00:1", "loopback"],
  ["strict", "2002:0a00:0001::", "private"],
  ["strict", "100.64.0.1", "private"],
  ["strict", "198.18.0.1", "private"],
  ["strict", "8.8.8.8", undefined],
  ["permissive", "169.254.169.254", undefined],
  ["permissive", "fd00:ec2::254", undefined],
  ["permissive", "127.0.0.1", undefined],
  ["default", "not an address", "listed"],
];

for (const [policy, address, expected] of ADDRESSES) {
  test(`egressPolicy() ${policy} ${expected === undefined ? "allows" : "denies"} ${address}`, () => {
    assert.equal(egressPolicy({ policy }).checkAddress(address)?.class, expected);
  });
}

// delivery.md, 21.6 row 96.
test("egressPolicy() has a switch for each class", () => {
  const policy = egressPolicy({ policy: "default" }, ["cloud-metadata", "loopback", "private"]);
  assert.equal(policy.checkAddress("169.254.169.254"), undefined);
  assert.equal(policy.checkAddress("fd00:ec2::254")?.class, "cloud-metadata");
});

test("egressPolicy() says what it denied", () => {
  const denial = egressPolicy({ policy: "default" }).checkAddress("169.254.169.254");
  assert.equal(denial?.message, "egress policy denied link-local address 169.254.169.254");
});

test("egressPolicy() lists: deny first, allowCidrs lifts the preset, allowHosts and ports close", () => {
  const policy = egressPolicy({
    policy: "strict",
    allowHosts: ["hub.example.com", "*.corp.example", "2001:DB8:0::5"],
    denyHosts: ["bad.corp.example"],
    allowCidrs: ["10.1.0.0/16"],
    denyCidrs: ["10.1.9.0/24", "203.0.113.7"],
    allowPorts: [443, 8443],
  });
  const hosts: readonly (readonly [string, number, string | undefined])[] = [
    ["hub.example.com", 443, undefined],
    ["HUB.example.com.", 443, undefined],
    ["a.b.corp.example", 8443, undefined],
    ["corp.example", 443, "host"],
    ["bad.corp.example", 443, "host"],
    ["hub.example.com", 80, "port"],
    ["elsewhere.example", 443, "host"],
    ["10.1.2.3", 443, undefined],
    ["10.2.2.3", 443, "host"],
    ["[2001:db8::5]", 443, undefined],
  ];
  for (const [host, port, expected] of hosts) {
    assert.equal(policy.checkHost(host, port)?.class, expected, `${host}:${port}`);
  }
  const addresses: readonly (readonly [string, string | undefined])[] = [
    ["10.1.2.3", undefined],
    ["::ffff:10.1.2.3", undefined],
    ["10.1.9.3", "listed"],
    ["64:ff9b::10.1.9.3", "listed"],
    ["10.2.0.1", "private"],
    ["203.0.113.7", "listed"],
    ["203.0.113.8", undefined],
  ];
  for (const [address, expected] of addresses) {
    assert.equal(policy.checkAddress(address)?.class, expected, address);
  }
});

for (
  const settings of [
    { allowCidrs: ["10.0.0.0/33"] },
    { denyCidrs: ["example.com"] },
    { allowHosts: ["http://example.com/"] },
    { denyHosts: ["a*b.example"] },
    { allowPorts: [0] },
    { allowPorts: [1.5] },
  ] satisfies Partial<EgressSettings>[]
) {
  test(`egressPolicy() refuses ${JSON.stringify(settings)}`, () => {
    assert.throws(
      () => egressPolicy({ policy: "default", ...settings }),
      (error) => error instanceof HttpError && error.code === "HTTP_SETTINGS",
    );
  });
}

/** Spellings of an IPv4 address that `URL` takes for it. */
const octets = fc.tuple(
  fc.constant(127),
  fc.integer({ min: 0, max: 255 }),
  fc.integer({ min: 0, max: 255 }),
  fc.integer({ min: 1, max: 255 }),
);
const spelling = fc.tuple(octets, fc.integer({ min: 0, max: 10 })).map(([[a, b, c, d], form]) => {
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number) => value.toString(16);
  const dotted = `${a}.${b}.${c}.${d}`;
  const low = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
  return [
    dotted,
    String(whole),
    `0x${hex(whole)}`,
    `0${whole.toString(8)}`,
    `0x${hex(a)}.${b}.0${c.toString(8)}.0x${hex(d)}`,
    `${a}.${b * 65536 + c * 256 + d}`,
    `[::ffff:${dotted}]`,
    `[::${low}]`,
    `[64:ff9b::${low}]`,
    `[2002:${low}::1]`,
    `${dotted}.`,
  ][form]!;
});

test("HttpClient connects to no spelling of a denied address", async () => {
  await using server = await serve(() => ({}));
  await using client = new HttpClient({
    egress: { policy: "strict" },
    component: "test",
    proxy: "none",
  });
  await fc.assert(
    fc.asyncProperty(spelling, async (host) => {
      const request = { method: "GET", url: `http://${host}:${server.port}/` };
      await assert.rejects(
        client.request(request, NEVER),
        (error) => error instanceof HttpError && error.code === "HTTP_DENIED",
        host,
      );
    }),
    { numRuns: 150 },
  );
  assert.equal(server.connections(), 0);
});

test("addressClasses() of an embedded IPv4 address has those of the address itself", () => {
  fc.assert(fc.property(fc.ipV4(), (text) => {
    const plain = parseAddress(text)!;
    const own = addressClasses(plain);
    for (const prefix of ["::ffff:", "64:ff9b::", "::ffff:0:"]) {
      const wrapped = parseAddress(prefix + text)!;
      assert.equal(wrapped.family, 6);
      if (wrapped.family !== 6) return;
      assert.deepEqual(embeddedIpv4(wrapped.groups), plain);
      for (const one of own) assert.ok(addressClasses(wrapped).includes(one), prefix + text);
    }
  }));
});

test("parseCidr() contains what BigInt arithmetic says, and parsers never throw", () => {
  fc.assert(fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (a, b, bits) => {
    const number = (text: string) =>
      text.split(".").reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
    const expected = number(a) >> BigInt(32 - bits) === number(b) >> BigInt(32 - bits);
    assert.equal(parseCidr(`${a}/${bits}`)!.contains(parseAddress(b)!), expected);
  }));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV6()), (text) => {
    const address = parseAddress(text);
    const denial = egressPolicy({ policy: "strict" }).checkAddress(text);
    // What cannot be read is denied, and what can be read is some range of one address.
    if (address === undefined) assert.equal(denial?.class, "listed");
    else assert.equal(parseCidr(text)?.contains(address), true);
  }));
});
