/**
 * The files of the page: how they are served, what must not be in them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdminApp } from "../../src/admin/app.ts";
import { UI_FILES, uiApp } from "../../src/admin/ui/app.ts";
import { FakeView } from "./fake_view.ts";

const NAMES = Object.keys(UI_FILES);

async function get(path: string, init: RequestInit = {}): Promise<Response> {
  const { hono } = createAdminApp(new FakeView(), {
    auth: { tokens: [{ name: "root", role: "admin", secret: () => "root-secret" }] },
    ui: uiApp(),
  });
  return await hono.fetch(new Request(`http://127.0.0.1:9090${path}`, init));
}

// daemon.md 19.8: no external requests, strict policy, `frame-ancestors 'none'`; 19.3: no CORS.
const HEADERS: readonly (readonly [name: string, holds: string | null])[] = [
  ["content-security-policy", "default-src 'none'"],
  ["content-security-policy", "script-src 'self'"],
  ["content-security-policy", "style-src 'self'"],
  ["content-security-policy", "connect-src 'self'"],
  ["content-security-policy", "base-uri 'none'"],
  ["content-security-policy", "form-action 'none'"],
  ["content-security-policy", "frame-ancestors 'none'"],
  ["content-security-policy", "require-trusted-types-for 'script'"],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["cache-control", "no-store"],
  ["access-control-allow-origin", null],
];

for (const name of NAMES) {
  test(`/ui/${name} is served to anybody, with strict headers`, async () => {
    const response = await get(`/ui/${name}`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), UI_FILES[name]);
    const end = name === "" ? "html" : name.slice(name.lastIndexOf(".") + 1);
    const type = {
      html: "text/html",
      js: "text/javascript",
      css: "text/css",
      svg: "image/svg+xml",
    };
    assert.equal(
      response.headers.get("content-type"),
      `${type[end as keyof typeof type]}; charset=utf-8`,
    );
    for (const [header, holds] of HEADERS) {
      const value = response.headers.get(header);
      if (holds === null) assert.equal(value, null, header);
      else assert.ok(value?.includes(holds), `${header}: ${value} holds ${holds}`);
    }
    assert.doesNotMatch(response.headers.get("content-security-policy")!, /unsafe|\*|https?:/);
  });
}

// Path, status, where to.
const PATHS: readonly (readonly [path: string, status: number, location: string | null])[] = [
  ["/", 302, "/ui/"],
  ["/ui", 302, "/ui/"],
  ["/ui/nothing.js", 404, null],
  ["/ui/constructor", 404, null],
  ["/ui/__proto__", 404, null],
  ["/ui/../api/v1/status", 401, null],
  ["/ui/%2e%2e%2fapp.ts", 404, null],
  ["/ui/page/main.js", 404, null],
];

for (const [path, status, location] of PATHS) {
  test(`GET ${path} answers ${status}`, async () => {
    const response = await get(path);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("location"), location);
  });
}

test("the page takes no writes, and HEAD gets no body", async () => {
  assert.equal((await get("/ui/", { method: "POST" })).status, 404);
  const head = await get("/ui/main.js", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
});

test("files are ASCII, so that no tool can change them when it embeds them", () => {
  for (const name of NAMES) assert.match(UI_FILES[name]!, /^[\t\n\x20-\x7e]*$/, name);
});

test("every module, style and picture that is asked for is served", () => {
  const asked = new Set<string>();
  for (const [name, text] of Object.entries(UI_FILES)) {
    const found = name === ""
      ? text.matchAll(/(?:src|href)="([^"#][^"]*)"/g)
      : text.matchAll(/^(?:import|\}) [^;]*?from "\.\/([^"]+)"/gm);
    for (const match of found) asked.add(match[1]!);
  }
  assert.ok(asked.size > 15, `found ${[...asked]}`);
  for (const name of asked) assert.ok(Object.hasOwn(UI_FILES, name), name);
  const unused = NAMES.filter((name) => name !== "" && !asked.has(name));
  assert.deepEqual(unused, []);
});

// What would make markup, code or a request out of a text.
const FORBIDDEN: readonly (readonly [what: string, RegExp])[] = [
  ["markup from text", /\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|DOMParser/],
  ["code from text", /\beval\(|new Function|setTimeout\(\s*["'`]|javascript:/],
  ["another host", /https?:\/\/(?!www\.w3\.org\/2000\/svg)[\w.]/],
  [
    "other ways out",
    /sendBeacon|WebSocket|EventSource\(|importScripts|XMLHttpRequest|window\.open/,
  ],
  ["a token where it stays", /localStorage\.setItem\((?!THEME_KEY)|document\.cookie/],
];

for (const [what, pattern] of FORBIDDEN) {
  test(`no file has ${what}`, () => {
    for (const name of NAMES) assert.doesNotMatch(UI_FILES[name]!, pattern, name);
  });
}

test("the HTML has no code and no style of its own", () => {
  const html = UI_FILES[""]!;
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
  for (const [, attributes, content] of html.matchAll(/<script([^>]*)>([^]*?)<\/script>/g)) {
    assert.match(attributes!, /src="main\.js"/);
    assert.equal(content, "");
  }
});
