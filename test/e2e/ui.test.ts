/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page at `/ui/` in a real browser, on the built executable.
 */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import process from "node:process";
import { after, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { AgentProcess } from "../support/agent_process.ts";
import { type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const CHROMIUM = process.env["PICKET_CHROMIUM"] ?? "/usr/bin/chromium";
const VIEWS = ["overview", "alerts", "rules", "inputs", "sinks", "reload", "config", "audit"];
const READER = "reader-secret-of-the-test";
/** A rule title, and a command line, that would act if they were taken for anything but text. */
const HOSTILE_TITLE = String.raw`<img src=x onerror="hacked=1"> \u202egpj.exe \e[31m`;
const HOSTILE_VALUE = `evil <script>hacked=1</script>\u202ecod.exe\u001b[2J`;

function skipReason(): string | false {
  const { skip } = skipWithoutExecutable();
  if (skip !== false || existsSync(CHROMIUM)) return skip;
  const reason = `skipped: ${CHROMIUM} is absent; PICKET_CHROMIUM names another`;
  console.log(reason);
  return reason;
}
const skip = skipReason();

/** An agent with something of everything: hostile rules, a broken one, a sink whose far end is away. */
class Stage implements AsyncDisposable {
  readonly files: Scratch = scratch();
  readonly port: number;
  agent!: AgentProcess;
  #line = 0;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(auth: Readonly<Record<string, unknown>>): Promise<Stage> {
    const stage = new Stage(await freePort());
    mkdirSync(stage.files.file("rules"), { recursive: true });
    stage.rule("evil", "11111111-1111-4111-8111-111111111111", "evil", HOSTILE_TITLE);
    stage.rule("later", "22222222-2222-4222-8222-222222222222", "later", "Changed later");
    writeFileSync(
      stage.files.file("rules/broken.yml"),
      "title: Broken\ndetection:\n  a:\n    b|no: c\n",
    );
    writeFileSync(stage.files.file("app.log"), "");
    await stage.run(auth);
    return stage;
  }

  async run(auth: Readonly<Record<string, unknown>>): Promise<void> {
    const { files } = this;
    this.agent = await AgentProcess.start(files, {
      config: {
        rules: { paths: [files.file("rules")], include_event: true, match_detail: "full" },
        reload: { watch: false },
        sources: [
          { id: "app", type: "file", paths: [files.file("app.log")], start_at: "start" },
          { id: "push", type: "http" },
        ],
        sinks: [
          { id: "archive", type: "file", path: files.file("alerts.ndjson") },
          { id: "soc", type: "http", url: "http://127.0.0.1:9/", backoff_base: "1s" },
        ],
        state: { path: files.file("state.db") },
        api: { addr: `127.0.0.1:${this.port}`, auth },
      },
      env: { PICKET_TEST_READER: READER },
    });
    await this.agent.url();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/ui/`;
  }

  rule(name: string, id: string, needle: string, title: string): void {
    writeFileSync(
      this.files.file(`rules/${name}.yml`),
      `title: "${title.replaceAll(/["]/g, String.raw`\"`)}"\nid: ${id}\nlevel: critical\n` +
        `logsource: {product: linux}\ndetection:\n  sel: {CommandLine|contains: ${needle}}\n` +
        "  condition: sel\n",
    );
  }

  /** Appends lines in one write; each gives an alert. */
  log(command: string, count = 1): void {
    const lines = Array.from({ length: count }, () =>
      JSON.stringify({
        "@timestamp": new Date().toISOString(),
        Hostname: "web02",
        CommandLine: command,
        n: this.#line++,
      }) + "\n");
    appendFileSync(this.files.file("app.log"), lines.join(""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
    this.files[Symbol.dispose]();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

let launched: Promise<Browser> | undefined;
let staged: Promise<Stage> | undefined;

function browser(): Promise<Browser> {
  return launched ??= chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}

/** The agent that most tests share; it trusts the loopback interface. */
function trusting(): Promise<Stage> {
  return staged ??= Stage.start({ loopback: "trusted" });
}

after(async () => {
  await (await launched)?.close();
  await (await staged)?.[Symbol.asyncDispose]();
});

interface Opened extends AsyncDisposable {
  readonly page: Page;
  /** What the console has said that was no refusal of the API. */
  readonly complaints: readonly string[];
}

/** Opens the page; whatever goes wrong in it, or leaves this host, is noted and fails the test. */
async function open(
  stage: Stage,
  hash: string,
  options: { readonly width?: number; readonly dark?: boolean } = {},
): Promise<Opened> {
  const context = await (await browser()).newContext({
    viewport: { width: options.width ?? 1280, height: 800 },
    colorScheme: options.dark === true ? "dark" : "light",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(8000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    const isRefusal = /Failed to load resource.*(?:40[139]|ERR_)/.test(message.text());
    if (message.type() !== "log" && !isRefusal) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (origin !== new URL(stage.url).origin) complaints.push(`asks ${request.url()}`);
  });
  await page.goto(`${stage.url}#/${hash}`);
  return {
    page,
    complaints,
    [Symbol.asyncDispose]: async () => {
      const hacked = await page.evaluate(() => "hacked" in globalThis).catch(() => false);
      await context.close();
      assert.equal(hacked, false, "a text has been run");
      assert.deepEqual(complaints, []);
    },
  };
}

test("the page says how the agent is, under a strict policy", { skip }, async () => {
  const stage = await trusting();
  const answer = await fetch(stage.url);
  assert.match(answer.headers.get("content-security-policy")!, /^default-src 'none'; /);
  await answer.body?.cancel();
  stage.log(HOSTILE_VALUE, 3);
  await using opened = await open(stage, "overview");
  const { page } = opened;
  await page.getByText("Working, with problems").waitFor();
  await page.getByText("Some rules cannot be used").waitFor();
  await page.locator("header").getByText("Degraded").waitFor();
  await page.locator(".rows").getByText("gpj.exe").first().waitFor();
  assert.equal(await page.locator("svg.spark").count(), 2);
  assert.equal(await page.locator("main img, main script").count(), 0);
});

test("a live alert appears within two seconds, hostile texts stay texts", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "alerts");
  const { page } = opened;
  await page.getByText("Live", { exact: true }).waitFor();
  await page.locator(".alert").first().waitFor();
  const before = await page.locator(".alert").count();
  const started = performance.now();
  stage.log(HOSTILE_VALUE);
  await page.locator(".alert").nth(before).waitFor();
  const ms = performance.now() - started;
  assert.ok(ms < 2000, `it took ${Math.round(ms)} ms`);

  // By keyboard alone: from the filter through the list into the detail and back.
  await page.getByLabel("Contains").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const detail = page.getByRole("article", { name: "Alert" });
  await detail.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H2");
  const value = await detail.locator("table.fields td.value").first().innerText();
  assert.equal(value, String.raw`evil <script>hacked=1</script>\u202ecod.exe\x1b[2J`);
  assert.match(await detail.locator("h2").innerText(), /^<img src=x .*\\u202egpj\.exe \\x1b\[31m$/);
  assert.match(await detail.locator("pre").first().innerText(), /"CommandLine": "evil <script>/);
  const shown = await page.locator("body").innerText();
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(shown, /[\u202a-\u202e\u2066-\u2069\x1b]/);
  await page.keyboard.press("Escape");
  await detail.waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.className), "alert");

  // A filter that fits nothing says so.
  await page.getByLabel("Contains").fill("no such text");
  await page.getByText("No alert fits the filter").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await page.locator(".alert").first().waitFor();
});

test("a page that gets no stream asks every few seconds", { skip }, async () => {
  const stage = await trusting();
  await using first = await open(stage, "alerts");
  await using second = await open(stage, "alerts");
  for (const { page } of [first, second]) {
    await page.getByText("Live", { exact: true }).waitFor();
  }
  // The agent serves two streams (`tail.max_sessions`).
  await using third = await open(stage, "alerts");
  await third.page.getByText("Every 3 s").waitFor();
  const rows = third.page.locator(".alert");
  await rows.first().waitFor();
  const before = await rows.count();
  stage.log("evil polled");
  await rows.nth(before).waitFor();
});

test("an input is paused and resumed", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "inputs");
  const { page } = opened;
  await page.getByRole("button", { name: "Pause app" }).press("Enter");
  await page.locator("main .badge", { hasText: "paused" }).waitFor();
  await page.getByText("Paused by an operator").waitFor();
  await page.getByRole("button", { name: "Resume app" }).press("Enter");
  await page.locator("main .badge", { hasText: "running" }).waitFor();
});

test("a sink whose far end is away is seen, and tried on request", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "sinks");
  const { page } = opened;
  const card = page.locator(".card", { hasText: "soc" });
  await card.locator(".badge", { hasText: "waiting" }).waitFor();
  await card.getByText("ECONNREFUSED").waitFor();
  await page.getByRole("navigation").getByText("1 with problems").waitFor();
  await card.getByRole("button", { name: "Try soc now" }).click();
  await page.getByText("The sink is tried now").waitFor();
  const idle = page.getByRole("button", { name: "Try archive now. Nothing waits" });
  assert.equal(await idle.getAttribute("aria-disabled"), "true");
});

test("rules show hits, errors with their place, and their source", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "rules");
  const { page } = opened;
  await page.getByText("rules or files that could not be used").click();
  await page.locator(".problems").getByText(/broken\.yml:\d+$/).first().waitFor();
  await page.getByLabel("Search").fill("1111-4111");
  const row = page.locator("tr", { hasText: "gpj.exe" });
  assert.ok(Number(await row.locator("[data-label=Hits]").innerText()) > 0);
  await row.getByRole("link").press("Enter");
  await page.getByRole("article", { name: "Rule" }).getByText("CommandLine|contains: evil")
    .waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("article", { name: "Rule" }).waitFor({ state: "detached" });
});

test("a reload shows what would change, then changes it", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "reload");
  const { page } = opened;
  const now = page.getByRole("button", { name: "Reload now" });
  assert.equal(await now.getAttribute("aria-disabled"), "true");
  stage.rule("new", "33333333-3333-4333-8333-333333333333", "fresh", "Quite new");
  stage.rule("later", "22222222-2222-4222-8222-222222222222", "earlier", "Changed later");
  await page.getByRole("button", { name: "See what would change" }).click();
  await page.getByText("1 rule would be added").waitFor();
  await page.locator(".diff-added").getByText("Quite new").waitFor();
  await page.locator(".diff-changed").getByText("Changed later").waitFor();
  await page.locator(".diff-failed").getByText(/broken\.yml/).first().waitFor();
  await now.click();
  await page.locator(".reload-result", { hasText: "Reloaded" }).first().waitFor();
  await page.locator(".entry", { hasText: "+1 -0 ~1" }).waitFor();
});

test("configuration and audit trail are shown", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "config");
  const { page } = opened;
  const row = page.locator("tr", { hasText: "api.auth.loopback" });
  await row.getByText("trusted").waitFor();
  await row.getByText("picket.yaml:").waitFor();
  await page.locator("tr", { hasText: "sinks[1].url" }).waitFor();
  await page.goto(`${stage.url}#/audit`);
  await page.getByText("POST /api/v1/reload").first().waitFor();
});

for (const dark of [false, true]) {
  const theme = dark ? "dark" : "light";
  test(`all views fit 360 pixels and can be read, ${theme}`, { skip }, async () => {
    const stage = await trusting();
    await using opened = await open(stage, "overview", { width: 360, dark });
    const { page } = opened;
    for (const view of VIEWS) {
      await page.goto(`${stage.url}#/${view}`);
      await page.locator(`main[data-view=${view}] :is(.card, table, .alert)`).first().waitFor();
      if (view === "alerts") await page.locator(".alert").first().click();
      const width = await page.evaluate(() => document.scrollingElement?.scrollWidth);
      assert.ok(width !== undefined && width <= 360, `${view} is ${width} pixels wide`);
      assert.deepEqual(await page.evaluate(unreadable), [], `${view}: too little contrast`);
      assert.deepEqual(await page.evaluate(unnamed), [], `${view}: no name`);
      assert.equal(await page.locator("h1").count(), 1);
    }
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const first = await background();
    assert.equal(/^rgb\((?:1?\d|2\d), /.test(first), dark, first);
    // The button wins over the system: auto, light, dark.
    const button = page.locator("#theme");
    for (let press = 0; press < (dark ? 1 : 2); press++) await button.click();
    assert.notEqual(await background(), first);
  });
}

/** Texts whose contrast is below WCAG's 4.5:1. Runs in the page. */
function unreadable(): string[] {
  const parse = (text: string): number[] => (text.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (rgb: readonly number[]): number => {
    const [r = 0, g = 0, b = 0] = rgb.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent?.trim() ?? "";
    if (element === null || text === "" || !element.checkVisibility()) continue;
    if (element.closest(".unseen, script, noscript") !== null) continue;
    let behind: Element | null = element;
    let background: number[] = [];
    for (; behind !== null; behind = behind.parentElement) {
      background = parse(getComputedStyle(behind).backgroundColor);
      if ((background[3] ?? 1) === 1) break;
    }
    const one = luminance(parse(getComputedStyle(element).color));
    const other = luminance(background);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.add(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return [...found];
}

/** Controls that a screen reader cannot name. Runs in the page. */
function unnamed(): string[] {
  const fields = [...document.querySelectorAll("input, select")].filter((field) =>
    (field as HTMLInputElement).labels?.length === 0
  );
  const buttons = [...document.querySelectorAll("button, a, summary")].filter((button) =>
    (button.getAttribute("aria-label") ?? button.textContent ?? "").trim() === ""
  );
  return [...fields, ...buttons].map((element) => element.outerHTML.slice(0, 80));
}

test("a burst of alerts does not freeze the page", { skip }, async () => {
  const stage = await trusting();
  await using opened = await open(stage, "alerts");
  const { page } = opened;
  await page.getByText("Live", { exact: true }).waitFor();
  stage.log("evil burst", 1000);
  await page.getByText("1,000 alerts").waitFor();
  await page.evaluate(() => {
    const seen = { longest: 0, frames: 0 };
    let last = performance.now();
    const frame = (now: number): void => {
      seen.longest = Math.max(seen.longest, now - last);
      seen.frames++;
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Reflect.set(globalThis, "seen", seen);
  });
  for (let batch = 0; batch < 30; batch++) {
    stage.log("evil burst", 20);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const seen = await page.evaluate(() => Reflect.get(globalThis, "seen")) as {
    readonly longest: number;
    readonly frames: number;
  };
  console.log(`200 alerts/s: longest frame ${Math.round(seen.longest)} ms of ${seen.frames}`);
  assert.ok(seen.longest < 1000, `the page stood still for ${Math.round(seen.longest)} ms`);
  stage.log("evil last");
  await page.getByLabel("Contains").fill("evil last");
  await page.locator(".alert").click();
  await page.getByRole("article").getByText("evil last").first().waitFor();
  await page.getByLabel("Contains").fill("");
  assert.equal(await page.locator(".alert").count(), 1000);
});

test("signing in, what a token may not do, and an agent that comes back", { skip }, async () => {
  const auth = { tokens: [{ name: "looker", role: "reader", token_env: "PICKET_TEST_READER" }] };
  await using stage = await Stage.start(auth);
  await using opened = await open(stage, "inputs");
  const { page } = opened;
  const field = page.getByLabel("API token");
  await field.fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The agent does not know this token").waitFor();
  await field.fill(READER);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Pause app" }).click();
  const refused = page.getByRole("button", { name: "Pause app. This token lacks inputs:write" });
  assert.equal(await refused.getAttribute("aria-disabled"), "true");
  await page.goto(`${stage.url}#/audit`);
  await page.getByText("This token may not see this").waitFor();
  await page.getByText("audit:read", { exact: true }).waitFor();

  await page.goto(`${stage.url}#/alerts`);
  stage.log("evil before");
  await page.getByText("1 alert", { exact: true }).waitFor();
  await stage.agent.end("SIGKILL");
  await page.getByText("Connecting again").waitFor();
  stage.log("evil while it was away");
  await stage.run(auth);
  await page.getByText("2 alerts", { exact: true }).waitFor({ timeout: 15_000 });
  await page.getByText("Live", { exact: true }).waitFor();

  // The token was not kept: a new document knows nothing of it.
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  await page.reload();
  await page.getByLabel("API token").waitFor();

  // Unless it is asked for; signing out forgets it.
  await field.fill(READER);
  await page.getByLabel("Keep it until this tab is closed").check();
  await page.keyboard.press("Enter");
  await page.getByText("2 alerts", { exact: true }).waitFor();
  await page.reload();
  await page.getByText("2 alerts", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API token").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});
