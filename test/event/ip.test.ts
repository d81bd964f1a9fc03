/**
 * sigma-rules.md, section 12.7: addresses, read strictly.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { mappedIpv4, parseIpv4, parseIpv6 } from "../../src/event/ip.ts";

const V4: readonly (readonly [text: string, address: number | undefined])[] = [
  ["0.0.0.0", 0],
  ["1.2.3.4", 0x01020304],
  ["255.255.255.255", 0xffffffff],
  ["256.0.0.0", undefined],
  ["1.2.3", undefined],
  ["1.2.3.4.5", undefined],
  ["01.2.3.4", undefined],
  ["1.2.3.00", undefined],
  ["1..2.3", undefined],
  ["1.2.3.", undefined],
  [".1.2.3", undefined],
  ["1.2.3.4 ", undefined],
  ["1.2.3.4:80", undefined],
  ["0x1.2.3.4", undefined],
  ["", undefined],
];
for (const [text, address] of V4) {
  test(`parseIpv4() of ${JSON.stringify(text)}`, () => assert.equal(parseIpv4(text), address));
}

const V6: readonly (readonly [text: string, groups: readonly number[] | undefined])[] = [
  ["::", [0, 0, 0, 0, 0, 0, 0, 0]],
  ["::1", [0, 0, 0, 0, 0, 0, 0, 1]],
  ["FE80::1", [0xfe80, 0, 0, 0, 0, 0, 0, 1]],
  ["1:2:3:4:5:6:7:8", [1, 2, 3, 4, 5, 6, 7, 8]],
  ["1:2:3:4:5:6:7::", [1, 2, 3, 4, 5, 6, 7, 0]],
  ["::ffff:1.2.3.4", [0, 0, 0, 0, 0, 0xffff, 0x0102, 0x0304]],
  ["1:2:3:4:5:6:1.2.3.4", [1, 2, 3, 4, 5, 6, 0x0102, 0x0304]],
  ["1:2:3:4:5:6:7:1.2.3.4", undefined],
  ["1.2.3.4::", undefined],
  ["1:2:3:4:5:6:7", undefined],
  ["1:2:3:4:5:6:7:8:9", undefined],
  ["1:2:3:4:5:6:7:8::", undefined],
  ["1::2::3", undefined],
  [":::", undefined],
  [":1", undefined],
  ["1:", undefined],
  ["12345::", undefined],
  ["g::", undefined],
  ["fe80::1%eth0", undefined],
  ["[::1]", undefined],
  ["::1/64", undefined],
  [" ::1", undefined],
  ["::ffff:01.2.3.4", undefined],
  ["", undefined],
];
for (const [text, groups] of V6) {
  test(`parseIpv6() of ${JSON.stringify(text)}`, () => assert.deepEqual(parseIpv6(text), groups));
}

test("mappedIpv4() takes ::ffff:0:0/96 alone", () => {
  assert.equal(mappedIpv4(parseIpv6("::ffff:1.2.3.4")!), 0x01020304);
  assert.equal(mappedIpv4(parseIpv6("::1.2.3.4")!), undefined);
  assert.equal(mappedIpv4(parseIpv6("1::ffff:1.2.3.4")!), undefined);
});

test("parseIpv4() and parseIpv6() read what another library reads", () => {
  fc.assert(fc.property(fc.ipV4(), (text) => {
    const [a, b, c, d] = ipaddr.IPv4.parse(text).octets;
    assert.equal(parseIpv4(text), a! * 2 ** 24 + b! * 2 ** 16 + c! * 2 ** 8 + d!);
  }));
  fc.assert(fc.property(fc.ipV6(), (text) => {
    const groups = parseIpv6(text);
    assert.ok(groups !== undefined, text);
    // The library reads the deprecated `::1.2.3.4` as `::ffff:1.2.3.4`.
    if (/^::[\d.]+$/.test(text)) return;
    assert.deepEqual([...groups], ipaddr.IPv6.parse(text).parts);
  }));
});

test("parseIpv4() and parseIpv6() take any text", () => {
  const unit = fc.constantFrom(..."0123456789abf:.%[] ");
  fc.assert(fc.property(fc.string({ unit, maxLength: 50 }), (text) => {
    const v4 = parseIpv4(text);
    const v6 = parseIpv6(text);
    assert.ok(v4 === undefined || (v4 >= 0 && v4 <= 0xffffffff));
    assert.ok(v6 === undefined || v6.length === 8);
  }));
});
