// @ts-check
/// <reference lib="dom" />
/**
 * Reload: first what would change, then the change, and what former ones did.
 */
import { asFailure, ask, refusal } from "./api.js";
import { data, h, patch } from "./dom.js";
import { duration, number, plural } from "./format.js";
import { action, ago, badge, card, empty, failureNotice, sentence, time } from "./parts.js";
import { refreshAnew, state } from "./state.js";

/** @typedef {import("./api.js").ApiFailure} ApiFailure */
/** @typedef {import("../../view.ts").ReloadResult} ReloadResult */
/** @typedef {{ id: string, title: string }} RuleRef */
/** @typedef {import("./types.ts").Child} Child */

/** @type {Record<ReloadResult["trigger"], string>} */
const TRIGGERS = {
  api: "asked for over the API",
  signal: "signal",
  watcher: "files changed",
  service: "service manager",
  poll: "files changed",
};
const TONES = /** @type {const} */ ({
  reloaded: "good",
  unchanged: "calm",
  failed: "bad",
  needs_restart: "warn",
  skipped: "calm",
});

/** @type {import("./main.js").View} */
export const reloadView = {
  title: "Reload",
  mount(root) {
    const view = new ReloadView(root);
    return { update: () => view.update(), leave: () => view.leave() };
  },
};

class ReloadView {
  #root;
  #gone = new AbortController();
  /** @type {"check" | "reload" | undefined} */
  #busy;
  /** What the last check or reload of this page gave. @type {ReloadResult | undefined} */
  #result;
  /** @type {ApiFailure | undefined} */
  #failure;
  #isStillRunning = false;
  /** @type {ReloadResult[] | undefined} */
  #history;
  /** @type {ApiFailure | undefined} */
  #historyFailure;
  /** The reload that the history was asked for at. @type {number | undefined} */
  #seen;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#show();
    void this.#loadHistory();
  }

  leave() {
    this.#gone.abort();
  }

  update() {
    const last = state.status.value?.last_reload?.id ?? 0;
    if (this.#seen !== undefined && last !== this.#seen) void this.#loadHistory();
    else this.#show();
  }

  async #loadHistory() {
    this.#seen = state.status.value?.last_reload?.id ?? 0;
    try {
      const answer = await ask("/api/v1/reloads", { signal: this.#gone.signal });
      this.#history = answer.items;
      this.#historyFailure = undefined;
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.#historyFailure = asFailure(error);
    }
    this.#show();
  }

  /** @param {"check" | "reload"} what */
  async #run(what) {
    this.#busy = what;
    this.#failure = undefined;
    this.#isStillRunning = false;
    this.#show();
    try {
      const query = what === "check" ? "dry_run=1" : "wait=1";
      const answer = await ask(`/api/v1/reload?${query}`, {
        method: "POST",
        signal: this.#gone.signal,
      });
      this.#isStillRunning = answer.status === "reload_running";
      this.#result = this.#isStillRunning ? undefined : answer;
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.#failure = asFailure(error);
    }
    this.#busy = undefined;
    this.#show();
    if (what === "reload") {
      await Promise.all([this.#loadHistory(), refreshAnew()]);
    }
  }

  #show() {
    const refused = refusal("reload:execute");
    const busy = this.#busy === undefined ? undefined : "In progress";
    const isChecked = this.#result?.dry_run === true;
    patch(
      this.#root,
      card(
        { title: "Read rules and configuration again" },
        h(
          "p",
          { class: "prose" },
          "Rules, configuration, sinks, certificates and tokens are read again. What cannot be used is " +
            "left out and what was in service before stays; no event is lost.",
        ),
        h(
          "div",
          { class: "buttons" },
          action({
            label: this.#busy === "check" ? "Checking..." : "See what would change",
            kind: isChecked ? "" : "primary",
            why: refused ?? busy,
            onclick: () => void this.#run("check"),
          }),
          action({
            label: this.#busy === "reload" ? "Reloading..." : "Reload now",
            kind: isChecked ? "primary" : "",
            why: refused ?? busy ?? (isChecked ? undefined : "See what would change first"),
            onclick: () => void this.#run("reload"),
          }),
        ),
        this.#failure === undefined ? null : failureNotice(this.#failure),
        // Only the outcome is read out: a list of a thousand rules is for those who look for it.
        h(
          "p",
          { role: "status", class: this.#isStillRunning ? "notice" : "unseen" },
          this.#isStillRunning
            ? "The reload takes long; the history below will have it."
            : this.#result === undefined
            ? ""
            : titleOf(this.#result),
        ),
        this.#result === undefined ? null : resultOf(this.#result),
      ),
      card(
        { title: "History", aside: h("span", { class: "faint" }, "the last 20") },
        this.#historyFailure === undefined ? null : failureNotice(this.#historyFailure),
        this.#history === undefined
          ? null
          : this.#history.length === 0
          ? empty("No reload since start", "Changed rule files are picked up by themselves.")
          : this.#history.map(historyEntry),
      ),
    );
  }
}

/** @param {ReloadResult} result */
function titleOf({ dry_run: isDry, ok, rules }) {
  const isNothing = rules.added_total + rules.removed_total + rules.changed_total === 0;
  if (isDry) return isNothing ? "No rule would change" : "This would change";
  if (!ok) return "The reload failed; what was in service still is";
  return isNothing ? "Reloaded; no rule has changed" : "Reloaded";
}

/** @param {ReloadResult} result */
function resultOf(result) {
  const { rules, components } = result;
  return h(
    "div",
    { class: "reload-result", key: `${result.dry_run} ${result.id} ${result.started}` },
    h("h3", null, titleOf(result)),
    h(
      "p",
      { class: "hint" },
      `${plural(rules.loaded_total, "rule")} in service ${result.dry_run ? "then" : "now"}, `,
      `found out in ${milliseconds(result.duration_ms)}.`,
    ),
    h(
      "ul",
      { class: "components" },
      components.map((component) =>
        h(
          "li",
          { key: component.name },
          badge(TONES[component.outcome], outcomeText(component.outcome, result.dry_run)),
          " ",
          data(component.name),
          component.message === undefined
            ? null
            : h("span", { class: "faint" }, " ", data(component.message)),
        )
      ),
    ),
    diff(result),
  );
}

/** @param {keyof typeof TONES} outcome @param {boolean} isDry */
function outcomeText(outcome, isDry) {
  if (!isDry) return outcome.replaceAll("_", " ");
  switch (outcome) {
    case "reloaded":
      return "would be reloaded";
    case "failed":
      return "would fail";
    case "needs_restart":
      return "would need a restart";
    case "unchanged":
    case "skipped":
      return outcome;
  }
}

/** @param {ReloadResult} result */
function diff({ rules, dry_run: isDry }) {
  return h(
    "div",
    { class: "diff" },
    part("added", "+", isDry ? "would be added" : "added", rules.added, rules.added_total),
    part("removed", "-", isDry ? "would go" : "removed", rules.removed, rules.removed_total),
    part("changed", "~", isDry ? "would change" : "changed", rules.changed, rules.changed_total),
    rules.failed_total === 0 ? null : h(
      "details",
      { class: "diff-failed", open: true },
      h("summary", null, `${plural(rules.failed_total, "rule or file", "rules or files")} failed`),
      h(
        "ul",
        { class: "problems" },
        rules.failed.map((failure) =>
          h(
            "li",
            null,
            h(
              "code",
              { class: "path" },
              data(failure.line === undefined ? failure.file : `${failure.file}:${failure.line}`),
            ),
            h("span", null, data(sentence(failure.error))),
          )
        ),
      ),
    ),
  );
}

/**
 * @param {string} name
 * @param {string} sign
 * @param {string} what
 * @param {readonly RuleRef[]} refs
 * @param {number} total
 */
function part(name, sign, what, refs, total) {
  if (total === 0) return null;
  return h(
    "details",
    { class: `diff-${name}`, open: total <= 50 },
    h("summary", null, `${plural(total, "rule")} ${what}`),
    h(
      "ul",
      null,
      refs.map(({ id, title }) =>
        h(
          "li",
          { key: id },
          h("span", { class: "sign", "aria-hidden": "true" }, sign),
          data(title),
          " ",
          h("span", { class: "faint" }, data(id)),
        )
      ),
      total > refs.length ? h("li", null, `and ${number(total - refs.length)} more`) : null,
    ),
  );
}

/** @param {ReloadResult} result */
function historyEntry(result) {
  const { rules } = result;
  return h(
    "details",
    { class: "entry", key: `${result.id} ${result.started}` },
    h(
      "summary",
      null,
      badge(result.ok ? "good" : "bad", result.ok ? "done" : "failed"),
      h("span", { class: "entry-main" }, time(result.started * 1000)),
      h("span", { class: "faint" }, TRIGGERS[result.trigger]),
      h(
        "span",
        { class: "signs" },
        `+${number(rules.added_total)} -${number(rules.removed_total)} ~${
          number(rules.changed_total)
        }`,
        rules.failed_total === 0 ? "" : `, ${number(rules.failed_total)} failed`,
      ),
      h("span", { class: "faint" }, ago(result.started * 1000)),
    ),
    resultOf(result),
  );
}

/** @param {number} ms */
function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms / 1000);
}
