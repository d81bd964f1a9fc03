// @ts-check
/// <reference lib="dom" />
/**
 * One alert in full: where it comes from, what matched, the event.
 */
import { data, h } from "./dom.js";
import { words } from "./format.js";
import { inline, parseExact, pretty } from "./json_text.js";
import { copyButton, facts, levelBadge, time } from "./parts.js";

/** @typedef {import("./live.js").AlertItem} AlertItem */
/** @typedef {import("./types.ts").Child} Child */
/** @typedef {{ field: unknown, value: unknown, selection?: unknown, matcher?: unknown,
 *   pattern?: unknown, negated?: unknown }} FieldMatch */

/** What the rest of the detail shows already, or what is not for people. */
const SHOWN = new Set([
  "rule_title",
  "rule_id",
  "level",
  "tags",
  "matched_selections",
  "matched_fields",
  "event",
  "alert_id",
  "kind",
  "event_time",
  "detected_at",
  "agent",
  "source",
]);

/** @param {AlertItem} item @param {() => void} onClose */
export function alertDetail(item, onClose) {
  const alert = /** @type {Record<string, any>} */ (parseExact(item.body));
  const all = pretty(alert);
  const event = alert["event"];
  return h(
    "article",
    { class: "detail card", "aria-label": "Alert" },
    h(
      "div",
      { class: "detail-head" },
      levelBadge(item.level),
      h("h2", { tabindex: "-1" }, data(item.title)),
      h(
        "button",
        { type: "button", class: "quiet close", onclick: onClose, "aria-label": "Close the alert" },
        "Close",
      ),
    ),
    tags(alert["tags"]),
    facts(headRows(item, alert)),
    matchedFields(alert),
    more(alert),
    event === undefined
      ? h("p", { class: "hint" }, [
        "The event itself is not part of alerts here. ",
        h("code", null, "rules.include_event: true"),
        " adds it.",
      ])
      : json("Event", pretty(event), true),
    json("Whole alert as JSON", all, false),
  );
}

/** @param {AlertItem} item @param {Record<string, any>} alert @returns {[Child, Child][]} */
function headRows(item, alert) {
  const source = alert["source"] ?? {};
  /** @type {[Child, Child][]} */
  const rows = [];
  /** @param {string} name @param {unknown} value @param {Child} [shown] */
  const row = (name, value, shown) => {
    if (value !== undefined && value !== null && value !== "") {
      rows.push([name, shown ?? data(inline(value))]);
    }
  };
  row("Happened", alert["event_time"], time(Date.parse(alert["event_time"])));
  row("Found", alert["detected_at"], time(Date.parse(alert["detected_at"])));
  row("Computer", source["computer"]);
  row("Channel", source["channel"]);
  row("Input", source["id"]);
  row("File", source["path"] === source["id"] ? undefined : source["path"]);
  row("Record", source["record_id"]);
  row("Rule", item.ruleId, [
    h("a", { href: `#/rules/${encodeURIComponent(item.ruleId ?? "")}` }, data(item.ruleId ?? "")),
  ]);
  row("Alert id", alert["alert_id"], [
    h("code", null, data(String(alert["alert_id"]))),
    " ",
    copyButton(String(alert["alert_id"]), "Copy", "Copy the alert id"),
  ]);
  return rows;
}

/** @param {unknown} value */
function tags(value) {
  if (!Array.isArray(value) || value.length === 0) return null;
  return h(
    "ul",
    { class: "tags", "aria-label": "Tags" },
    value.map((tag) => h("li", null, data(inline(tag)))),
  );
}

/** @param {Record<string, any>} alert */
function matchedFields(alert) {
  /** @type {FieldMatch[]} */
  const fields = Array.isArray(alert["matched_fields"]) ? alert["matched_fields"] : [];
  const selections = Array.isArray(alert["matched_selections"])
    ? alert["matched_selections"].map(inline)
    : [];
  const matched = selections.length === 0
    ? null
    : h("p", { class: "hint" }, "Matched: ", data(selections.join(", ")));
  if (fields.length === 0) return [h("h3", null, "Matched fields"), matched];
  const hasPatterns = fields.some(({ pattern }) => pattern !== undefined);
  return [
    h("h3", null, "Matched fields"),
    matched,
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Matched fields" },
      h(
        "table",
        { class: "fields" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            h("th", { scope: "col" }, "Field"),
            h("th", { scope: "col" }, "Value"),
            hasPatterns ? h("th", { scope: "col" }, "Looked for") : null,
            h("th", { scope: "col" }, h("span", { class: "unseen" }, "Copy")),
          ),
        ),
        h("tbody", null, fields.map((field) => fieldRow(field, hasPatterns))),
      ),
    ),
  ];
}

/** @param {FieldMatch} match @param {boolean} hasPattern */
function fieldRow({ field, value, matcher, pattern, negated }, hasPattern) {
  const name = inline(field);
  return h(
    "tr",
    null,
    h("th", { scope: "row" }, data(name)),
    h("td", { class: "value" }, data(inline(value))),
    hasPattern
      ? h(
        "td",
        { class: "value" },
        h("span", { class: "faint" }, negated === true ? "not " : "", `${words(inline(matcher))} `),
        data(inline(pattern)),
      )
      : null,
    h("td", null, copyButton(inline(value), "Copy", `Copy the value of ${name}`)),
  );
}

/** Enrichments, labels and whatever else an alert carries. @param {Record<string, any>} alert */
function more(alert) {
  const rest = Object.entries(alert).filter(([name, value]) =>
    !SHOWN.has(name) && value !== null && value !== undefined
  );
  if (rest.length === 0) return null;
  return [
    h("h3", null, "More"),
    facts(rest.map(([name, value]) => [data(name), data(inline(value))])),
  ];
}

/** @param {string} title @param {string} text @param {boolean} isOpen */
function json(title, text, isOpen) {
  return h(
    "details",
    { class: "json", open: isOpen },
    h("summary", null, title),
    h("div", { class: "buttons" }, copyButton(text, "Copy JSON", `Copy: ${title}`)),
    h("pre", { class: "code", tabindex: "0" }, data(text)),
  );
}
