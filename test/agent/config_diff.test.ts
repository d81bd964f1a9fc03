import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigDiff, diffConfig } from "../../src/agent/config/diff.ts";
import { maskUrl } from "../../src/agent/config/show.ts";
import { loadText, TempFiles } from "../support/config.ts";

const BASE = "sources: [stdin, {type: nats, id: n, subjects: [a]}]\n" +
  "sinks: [{type: stdout}, {type: file, path: /a}]\n";
const NOTHING: ConfigDiff = {
  parts: [],
  sources: { added: [], removed: [], changed: [] },
  sinks: { added: [], removed: [], changed: [] },
  restart: [],
};

// What is written instead of or behind BASE, what differs.
const DIFFS: readonly (readonly [what: string, text: string, diff: Partial<ConfigDiff>])[] = [
  ["nothing", BASE, {}],
  ["comments and order", `# x\n${BASE.split("\n").reverse().join("\n")}`, {}],
  ["what is the default", `${BASE}log: {level: info}\n`, {}],
  ["a live setting", `${BASE}log: {level: debug}\n`, {
    parts: [{ part: "log", paths: ["log.level"], needsRestart: false }],
  }],
  [
    "settings of the listener and the state",
    `${BASE}api: {addr: '127.0.0.1:1'}\nstate: {path: /s}\n`,
    {
      parts: [
        { part: "state", paths: ["state.path"], needsRestart: true },
        { part: "api", paths: ["api.addr", "api.token_file"], needsRestart: true },
      ],
      restart: ["state.path", "api.addr"],
    },
  ],
  [
    "a sink",
    BASE.replace("/a", "/b").replace("{type: stdout}", "{type: unix, path: /s}"),
    {
      parts: [{
        part: "sinks",
        paths: ["sinks[0].type", "sinks[0].id", "sinks[1].path", "sinks[0].path"],
        needsRestart: false,
      }],
      sinks: { added: ["unix"], removed: ["stdout"], changed: ["file"] },
    },
  ],
  ["what NATS sources share", `${BASE}nats: {servers: ["nats://x"]}\n`, {
    parts: [{ part: "nats", paths: ["nats", "nats.servers"], needsRestart: false }],
    sources: { added: [], removed: [], changed: ["n"] },
  }],
];
for (const [what, text, diff] of DIFFS) {
  test(`diffConfig() when ${what} changes`, () => {
    using temp = new TempFiles();
    const before = loadText(BASE, temp.directory);
    assert.deepEqual(diffConfig(before, loadText(text, temp.directory)), { ...NOTHING, ...diff });
  });
}

const URLS: readonly (readonly [url: string, masked: string])[] = [
  ["https://h/x", "https://h/x"],
  ["https://u:p@h/x?a=b", "https://***@h/x?a=b"],
  ["nats://token@h:4222", "nats://***@h:4222"],
  ["u:p@h:4222", "***@h:4222"],
  ["https://u:p@ss@h/x", "https://***@h/x"],
  ["https://h/x?token=abc&b=c", "https://h/x?token=***&b=c"],
  ["https://h/x?b=c&api_key=abc#f", "https://h/x?b=c&api_key=***#f"],
  ["https://h/x?token=${TOKEN}", "https://h/x?token=${TOKEN}"],
  ["https://hooks.slack.com/services/T/B/x", "https://hooks.slack.com/***"],
  ["https://acme.webhook.office.com/webhookb2/x", "https://acme.webhook.office.com/***"],
  ["https://discord.com/api/webhooks/1/x", "https://discord.com/api/webhooks/***"],
  ["env", "env"],
];
for (const [url, masked] of URLS) {
  test(`maskUrl() ${url}`, () => assert.equal(maskUrl(url), masked));
}
