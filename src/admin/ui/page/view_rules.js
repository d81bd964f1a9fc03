// @ts-check
/// <reference lib="dom" />
/**
 * The rules: what is in service, what hits, what could not be used.
 */
import { asFailure, ask } from "./api.js";
import { data, h, patch } from "./dom.js";
import { number, plain, plural } from "./format.js";
import {
  ago,
  badge,
  copyButton,
  empty,
  facts,
  failureNotice,
  levelBadge,
  sentence,
} from "./parts.js";

/** @typedef {import("./api.js").ApiFailure} ApiFailure */
/** @typedef {import("../../view.ts").RuleInfo} RuleInfo */
/** @typedef {import("../../view.ts").RuleDetail} RuleDetail */
/** @typedef {import("../../view.ts").RuleFailure} RuleFailure */
/** @typedef {import("./types.ts").Child} Child */
/** @typedef {"title" | "level" | "hits" | "last"} SortKey */

const LEVELS = ["informational", "low", "medium", "high", "critical"];
const PAGE = 1000;
/** Rows are added by so many. */
const MORE = 100;
const REFRESH_MS = 30_000;
const STATUS_TONE = /** @type {const} */ ({ loaded: "good", failed: "bad", disabled: "calm" });

/** Kept while the page is open. */
const filter = { text: "", level: "", status: "" };
/** @type {{ key: SortKey, isDown: boolean }} */
const sorting = { key: "hits", isDown: true };

/** @type {import("./main.js").View} */
export const rulesView = {
  title: "Rules",
  mount(root, rest) {
    const view = new RulesView(root);
    view.route(rest);
    return { update: () => {}, route: (id) => view.route(id), leave: () => view.leave() };
  },
};

class RulesView {
  #root;
  #tools = h("div", { class: "tools rules-tools", role: "search" });
  #note = h("div", { class: "note" });
  #problems = h("div", null);
  #table = h("div", null);
  #pane = h("div", { class: "pane" });
  /** @type {RuleInfo[] | undefined} */
  #rules;
  /** Problems that belong to no rule: files that could not be read. @type {RuleFailure[]} */
  #failures = [];
  #path = "";
  /** @type {ApiFailure | undefined} */
  #failure;
  #limit = MORE;
  /** @type {string | undefined} */
  #open;
  #gone = new AbortController();
  #timer;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    root.classList.add("split");
    root.append(
      h("div", { class: "split-list" }, this.#tools, this.#note, this.#problems, this.#table),
      this.#pane,
    );
    root.onkeydown = (event) => {
      if (event.key === "Escape" && this.#open !== undefined) this.#close();
    };
    this.#timer = setInterval(() => {
      if (!document.hidden) void this.#load();
    }, REFRESH_MS);
    this.#show();
    this.#showPane();
    void this.#load();
  }

  leave() {
    this.#gone.abort();
    clearInterval(this.#timer);
  }

  /** @param {string} id */
  route(id) {
    if (id === "") {
      if (this.#open !== undefined) this.#close();
    } else if (id !== this.#open) void this.#select(id);
  }

  async #load() {
    try {
      /** @type {RuleInfo[]} */
      const rules = [];
      /** @type {number | null} */
      let offset = 0;
      while (offset !== null) {
        const answer = await ask(`/api/v1/rules?list=1&limit=${PAGE}&offset=${offset}`, {
          signal: this.#gone.signal,
        });
        rules.push(...answer.items);
        this.#failures = answer.rule_errors;
        this.#path = answer.rules_path;
        offset = /** @type {number | null} */ (answer.next_offset);
      }
      this.#rules = rules;
      this.#failure = undefined;
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.#failure = asFailure(error);
    }
    this.#show();
  }

  #show() {
    this.#showTools();
    const rules = this.#rules;
    if (rules === undefined) {
      patch(this.#table, this.#failure === undefined ? null : failureNotice(this.#failure));
      patch(this.#note, this.#failure === undefined ? "Loading..." : null);
      return;
    }
    const found = rules.filter(isWanted).sort(compare);
    patch(
      this.#note,
      found.length === rules.length
        ? plural(rules.length, "rule")
        : `${number(found.length)} of ${plural(rules.length, "rule")}`,
      this.#path === "" ? null : h("span", null, "from ", data(this.#path)),
    );
    patch(this.#problems, this.#failures.length === 0 ? null : problems(this.#failures));
    patch(this.#table, this.#rows(found, rules.length));
  }

  /** @param {RuleInfo[]} found @param {number} total @returns {Child} */
  #rows(found, total) {
    if (total === 0) {
      return empty("No rules", [
        "Name files or directories below ",
        h("code", null, "rules.paths"),
        " in the configuration and reload.",
      ]);
    }
    if (found.length === 0) return empty("No rule fits the filter", "Search for less.");
    const rest = found.length - this.#limit;
    return [
      h(
        "table",
        { class: "rules as-cards" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            this.#sortHead("level", "Level"),
            this.#sortHead("title", "Rule"),
            h("th", { scope: "col", class: "extra" }, "Log source"),
            this.#sortHead("hits", "Hits"),
            this.#sortHead("last", "Last match"),
            h("th", { scope: "col", class: "extra" }, "Status"),
          ),
        ),
        h("tbody", null, found.slice(0, this.#limit).map((rule) => this.#row(rule))),
      ),
      rest > 0
        ? h("button", {
          type: "button",
          class: "more",
          onclick: () => {
            this.#limit += MORE;
            this.#show();
          },
        }, `Show ${number(Math.min(MORE, rest))} more of ${number(rest)}`)
        : null,
    ];
  }

  /** @param {SortKey} key @param {string} label */
  #sortHead(key, label) {
    const isOwn = sorting.key === key;
    return h(
      "th",
      {
        scope: "col",
        class: key === "hits" ? "figure" : undefined,
        "aria-sort": isOwn ? sorting.isDown ? "descending" : "ascending" : undefined,
      },
      h("button", {
        type: "button",
        class: "sort",
        onclick: () => {
          sorting.isDown = isOwn ? !sorting.isDown : key !== "title";
          sorting.key = key;
          this.#show();
        },
      }, label),
    );
  }

  /** @param {RuleInfo} rule */
  #row(rule) {
    const logsource = [rule.product, rule.category, rule.service]
      .flatMap((part) => part === null ? [] : [part]).join(" / ");
    return h(
      "tr",
      {
        key: `${rule.id} ${rule.file} ${rule.status}`,
        class: rule.id === this.#open ? "current" : "",
      },
      h("td", null, levelBadge(rule.level)),
      h(
        "td",
        { class: "grow" },
        h("a", {
          href: `#/rules/${encodeURIComponent(rule.id)}`,
          "aria-current": rule.id === this.#open ? "true" : undefined,
        }, data(rule.title)),
        rule.status === "failed" && rule.error !== undefined
          ? h("p", { class: "error" }, data(rule.error), " ", where(rule))
          : null,
      ),
      h("td", { class: "faint source extra", "data-label": "Log source" }, data(logsource)),
      h("td", { class: "figure", "data-label": "Hits" }, number(rule.matches_total)),
      h(
        "td",
        { "data-label": "Last match" },
        ago(rule.last_match === null ? null : rule.last_match * 1000),
      ),
      h("td", { class: "extra" }, badge(STATUS_TONE[rule.status], rule.status)),
    );
  }

  #showTools() {
    patch(
      this.#tools,
      h(
        "label",
        { class: "grow" },
        h("span", null, "Search"),
        h("input", {
          type: "search",
          value: filter.text,
          placeholder: "title, id, file or tag",
          spellcheck: "false",
          autocomplete: "off",
          oninput: (/** @type {Event} */ event) => this.#filter({ text: valueOf(event) }),
        }),
      ),
      choice("Level", filter.level, ["", ...LEVELS], (level) => this.#filter({ level })),
      choice(
        "Status",
        filter.status,
        ["", "loaded", "failed", "disabled"],
        (status) => this.#filter({ status }),
      ),
      h("button", { type: "button", onclick: () => void this.#load() }, "Refresh"),
    );
  }

  /** @param {Partial<typeof filter>} change */
  #filter(change) {
    Object.assign(filter, change);
    this.#limit = MORE;
    this.#show();
  }

  /** @param {string} id */
  async #select(id) {
    this.#open = id;
    this.#showPane(h("p", { class: "faint pad" }, "Loading..."));
    this.#show();
    /** @type {Child} */
    let content;
    try {
      const rule = await ask(`/api/v1/rules/${encodeURIComponent(id)}`, {
        signal: this.#gone.signal,
      });
      content = ruleDetail(rule, () => this.#close());
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      const failure = asFailure(error);
      content = failure.status === 404
        ? empty("This rule is not in service", "It may have been removed since the alert.")
        : failureNotice(failure);
      content = [content, h("button", { type: "button", onclick: () => this.#close() }, "Close")];
    }
    if (this.#open !== id) return;
    this.#showPane(content);
    this.#pane.querySelector("h2")?.focus({ preventScroll: true });
  }

  #close() {
    const link = this.#root.querySelector("tr.current a");
    this.#open = undefined;
    this.#showPane();
    this.#show();
    history.replaceState(null, "", "#/rules");
    if (link instanceof HTMLElement) link.focus();
  }

  /** @param {Child} [content] */
  #showPane(content) {
    this.#root.classList.toggle("is-open", this.#open !== undefined);
    this.#pane.replaceChildren();
    patch(
      this.#pane,
      content ?? empty("No rule is open", "Choose one to see what it looks for and its source."),
    );
  }
}

/**
 * @param {string} label
 * @param {string} value
 * @param {string[]} options The first stands for all.
 * @param {(value: string) => void} onChoice
 */
function choice(label, value, options, onChoice) {
  return h(
    "label",
    null,
    h("span", null, label),
    h(
      "select",
      { oninput: (/** @type {Event} */ event) => onChoice(valueOf(event)) },
      options.map((option) =>
        h("option", { value: option, selected: option === value }, option === "" ? "all" : option)
      ),
    ),
  );
}

/** @param {Event} event */
function valueOf(event) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value;
}

/** @param {RuleInfo} rule */
function isWanted(rule) {
  if (filter.level !== "" && rule.level !== filter.level) return false;
  if (filter.status !== "" && rule.status !== filter.status) return false;
  const text = filter.text.trim().toLowerCase();
  return text === "" ||
    [rule.title, rule.id, rule.file, ...rule.tags].some((one) => one.toLowerCase().includes(text));
}

/** @param {RuleInfo} one @param {RuleInfo} other */
function compare(one, other) {
  const order = orderOf(one, other);
  if (order !== 0) return sorting.isDown ? -order : order;
  return one.title.localeCompare(other.title);
}

/** @param {RuleInfo} one @param {RuleInfo} other */
function orderOf(one, other) {
  switch (sorting.key) {
    case "title":
      return one.title.localeCompare(other.title);
    case "level":
      return LEVELS.indexOf(one.level ?? "") - LEVELS.indexOf(other.level ?? "");
    case "hits":
      return one.matches_total - other.matches_total;
    case "last":
      return (one.last_match ?? 0) - (other.last_match ?? 0);
  }
}

/** @param {{ file: string, line?: number | null | undefined }} place */
function where({ file, line }) {
  return h(
    "code",
    { class: "path" },
    data(line === null || line === undefined ? file : `${file}:${line}`),
  );
}

/** @param {RuleFailure[]} failures */
function problems(failures) {
  return h(
    "details",
    { class: "notice notice-bad spaced" },
    h(
      "summary",
      null,
      `${plural(failures.length, "problem")}: rules or files that could not be used`,
    ),
    h(
      "ul",
      { class: "problems" },
      failures.map((failure) =>
        h(
          "li",
          null,
          where(failure),
          h("span", null, data(sentence(failure.error))),
          failure.title === undefined ? null : h("span", { class: "faint" }, data(failure.title)),
        )
      ),
    ),
  );
}

/** @param {RuleDetail} rule @param {() => void} onClose */
function ruleDetail(rule, onClose) {
  return h(
    "article",
    { class: "detail card", "aria-label": "Rule" },
    h(
      "div",
      { class: "detail-head" },
      levelBadge(rule.level),
      h("h2", { tabindex: "-1" }, data(rule.title)),
      h(
        "button",
        { type: "button", class: "quiet close", onclick: onClose, "aria-label": "Close the rule" },
        "Close",
      ),
    ),
    rule.tags.length === 0 ? null : h(
      "ul",
      { class: "tags", "aria-label": "Tags" },
      rule.tags.map((tag) => h("li", null, data(tag))),
    ),
    rule.error === undefined
      ? null
      : h("p", { class: "error" }, data(sentence(rule.error)), " ", where(rule)),
    rule.description === null ? null : h("p", { class: "prose" }, data(rule.description)),
    facts([
      ["Status", badge(STATUS_TONE[rule.status], rule.status)],
      ["Hits", number(rule.matches_total)],
      ["Last match", ago(rule.last_match === null ? null : rule.last_match * 1000)],
      ["Kind", rule.kind],
      ["Product", data(rule.product ?? "any")],
      ["Category", data(rule.category ?? "any")],
      ["Service", data(rule.service ?? "any")],
      ["Author", data(rule.author ?? "unknown")],
      ["Id", [data(rule.id), " ", copyButton(rule.id, "Copy", "Copy the rule's id")]],
      ["File", where(rule)],
    ]),
    list("False positives", rule.falsepositives.map((text) => data(text))),
    list("References", rule.references.map(reference)),
    h("h3", null, "Source"),
    rule.source === null
      ? h(
        "p",
        { class: "hint" },
        "The rule came in a bundle, or its file has gone: its YAML is not on this machine.",
      )
      : [
        h("div", { class: "buttons" }, copyButton(rule.source, "Copy YAML")),
        h("pre", { class: "code", tabindex: "0" }, data(rule.source)),
      ],
  );
}

/** @param {string} title @param {Child[]} items */
function list(title, items) {
  if (items.length === 0) return null;
  return [
    h("h3", null, title),
    h("ul", { class: "plain" }, items.map((item) => h("li", null, item))),
  ];
}

/** Only what leads to a web site is a link; whatever else a rule holds is text. @param {string} text */
function reference(text) {
  if (!/^https?:\/\//i.test(text) || plain(text) !== text) return data(text);
  return h("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
}
