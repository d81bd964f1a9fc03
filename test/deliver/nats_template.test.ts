import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { withoutEvent } from "../../src/deliver/nats/message.ts";
import { headerTemplate, subjectTemplate } from "../../src/deliver/nats/template.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import { derivedName, isSubscription, subjectToken } from "../../src/runtime/nats/names.ts";

const SCOPE = {
  agent: { id: "agent-7f3a", host: "ws1.corp.example" },
  labels: { tenant: "acme", site: "Berlin Mitte" },
  sourceLabels: { dc: { role: "dc", site: "Köln" } },
};
const ALERT: Alert = {
  seq: 1,
  id: "pk1-0",
  kind: "detection",
  level: "high",
  ruleId: "7c8a1d90",
  ruleTitle: "Two\r\nlines",
  sourceId: "dc",
  createdMs: 0,
  eventMs: undefined,
  body: "{}",
};

// Spec delivery.md, sections 20.9 and 20.10.
const SUBJECTS: readonly (readonly [template: string, subject: string, filter: string])[] = [
  ["picket.alert", "picket.alert", "picket.alert"],
  ["picket.${agent.id}.${alert.level}", "picket.agent-7f3a.high", "picket.agent-7f3a.*"],
  ["p.${agent.host}", "p.ws1_corp_example", "p.ws1_corp_example"],
  ["p.${label.tenant}.x", "p.acme.x", "p.acme.x"],
  ["p.${label.site}", "p.Köln", "p.*"],
  ["p.a-${alert.kind}", "p.a-detection", "p.*"],
  ["p.${ alert.rule_id }.${source.id}", "p.7c8a1d90.dc", "p.*.*"],
  ["${alert.rule_title}.x", "Two__lines.x", "*.x"],
];
for (const [template, subject, filter] of SUBJECTS) {
  test(`subjectTemplate() ${template}`, () => {
    const made = subjectTemplate(template, SCOPE);
    assert.equal(made.subject(ALERT), subject);
    assert.equal(made.filter, filter);
  });
}

const BROKEN: readonly (readonly [template: string, problem: RegExp])[] = [
  ["p.${alert.levle}", /alert\.levle.*known are/],
  ["p.${label.nope}", /such a label/],
  ["p.${constructor}", /known are/],
  ["p.${label.constructor}", /such a label/],
  ["p.${agent.id", /without/],
  ["p.>", /wildcards/],
  ["p.*.${alert.level}", /wildcards/],
  ["p..x", /wildcards/],
  ["p x", /wildcards/],
  ["", /wildcards/],
];
for (const [template, problem] of BROKEN) {
  test(`subjectTemplate() refuses ${JSON.stringify(template)}`, () => {
    assert.throws(() => subjectTemplate(template, SCOPE), (error) => {
      assert.ok(error instanceof DeliveryError);
      assert.equal(error.failure, "config");
      assert.match(error.message, problem);
      return true;
    });
  });
}

test("missing values become `none`, and no value reaches the server's own subjects", () => {
  const alert = { ...ALERT, level: null, ruleId: null, sourceId: "other" };
  const made = subjectTemplate("${label.role}.${alert.level}.${alert.rule_id}", SCOPE);
  assert.equal(made.subject(alert), "none.none.none");
  const scope = { ...SCOPE, agent: { id: "$JS", host: "h" } };
  assert.equal(subjectTemplate("${agent.id}.API", scope).subject(alert), "_JS.API");
});

test("subjects are concrete and match their filter, whatever the values hold", () => {
  fc.assert(fc.property(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "binary" }),
    (id, ruleTitle) => {
      const made = subjectTemplate("p.${agent.id}.x-${alert.rule_title}", {
        agent: { id, host: "" },
      });
      const subject = made.subject({ ...ALERT, ruleTitle });
      assert.ok(isSubscription(subject) && !/[*>]/.test(subject), JSON.stringify(subject));
      const [tokens, filter] = [subject.split("."), made.filter.split(".")];
      assert.equal(tokens.length, filter.length);
      assert.ok(filter.every((one, at) => one === "*" || one === tokens[at]));
    },
  ));
});

test("headers are one line", () => {
  const header = headerTemplate("${alert.rule_title} on ${agent.host}", SCOPE);
  assert.equal(header(ALERT), "Two lines on ws1.corp.example");
});

// Section 3.6 and rows 12, 13 of section 21.1, with Picket's prefixes.
const NAMES: readonly (readonly [prefix: string, subject: string, name: string])[] = [
  ["picket", "edge.win.>", "picket-edge-win"],
  ["picket", "a.*.b", "picket-a---b"],
  ["picket-daemon", "edge.win.>", "picket-daemon-edge-win"],
  ["picket", ">", "picket-"],
  ["picket", "a.b.>", "picket-a-b"],
  ["picket", "x.*.>", "picket-x"],
  ["picket-daemon", "x.y", "picket-daemon-x-y"],
];
for (const [prefix, subject, name] of NAMES) {
  test(`derivedName() ${prefix} ${subject}`, () =>
    assert.equal(derivedName(prefix, subject), name));
}

test("subjectToken() bounds its length and keeps one token", () => {
  assert.equal(subjectToken(""), "none");
  assert.equal(subjectToken("a b.c*d>e\u0000\u007f"), "a_b_c_d_e__");
  assert.ok(subjectToken("🦊".repeat(500)).length <= 200);
});

// Section 20.3, point 5.
const BODIES: readonly (readonly [body: string, less: string | undefined])[] = [
  ['{"a":1,"event":{"x":1}}', '{"a":1,"truncated":["event"]}'],
  ['{"events":[{}],"event":{},"b":2}', '{"b":2,"truncated":["event","events"]}'],
  ['{"a":1}', undefined],
  ["[1]", undefined],
  ["no json", undefined],
  ["null", undefined],
];
for (const [body, less] of BODIES) {
  test(`withoutEvent() ${body}`, () => assert.equal(withoutEvent(body), less));
}

test("withoutEvent() never throws", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
    const less = withoutEvent(body);
    if (less !== undefined) assert.ok(!("event" in JSON.parse(less)));
  }));
});
