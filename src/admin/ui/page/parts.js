// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Pieces that several views have.
 */
import { data, h, s } from "./dom.js";
import { localTime, relative, utcTime } from "./format.js";

/** @typedef {import("./types.ts").Child} Child */
/** @typedef {import("./api.js").ApiFailure} ApiFailure */

const LEVELS = new Set(["informational", "low", "medium", "high", "critical"]);
const SHORT = new Map([["informational", "info"], ["none", "none"]]);

/** @param {string | null} level */
export function levelBadge(level) {
  const name = level ?? "none";
  const known = LEVELS.has(name) ? name : "none";
  return h("span", { class: `level level-${known}` }, SHORT.get(name) ?? known);
}

/** @typedef {"good" | "warn" | "bad" | "calm"} Tone */

/** @param {Tone} tone @param {Child} text @param {string} [title] */
export function badge(tone, text, title) {
  return h("span", { class: `badge badge-${tone}`, title }, text);
}

/** A time in the local zone, in UTC on hover. @param {number | null | undefined} ms Unix milliseconds. */
export function time(ms) {
  if (ms === null || ms === undefined) return h("span", { class: "faint" }, "never");
  const valid = !Number.isNaN(new Date(ms).getTime());
  return h(
    "time",
    { datetime: valid ? new Date(ms).toISOString() : undefined, title: utcTime(ms) },
    localTime(ms),
  );
}

/** How long ago, the times themselves on hover. @param {number | null | undefined} ms */
export function ago(ms) {
  if (ms === null || ms === undefined) return h("span", { class: "faint" }, "never");
  return h(
    "time",
    { datetime: new Date(ms).toISOString(), title: `${localTime(ms)} local, ${utcTime(ms)}` },
    relative(ms, Date.now()),
  );
}

/** @param {Child} title @param {Child} hint What to do. */
export function empty(title, hint) {
  return h("div", { class: "empty" }, h("p", null, h("strong", null, title)), h("p", null, hint));
}

/**
 * Why something cannot be shown, and what to do.
 *
 * @param {ApiFailure} failure
 */
export function failureNotice(failure) {
  return h(
    "div",
    { class: failure.status === 403 ? "notice" : "notice notice-bad", role: "alert" },
    h("p", null, h("strong", null, failureTitle(failure))),
    h("p", null, failureHint(failure)),
  );
}

/** @param {ApiFailure} failure @returns {Child} */
function failureTitle(failure) {
  if (failure.status === 403 && failure.permission !== undefined) {
    return "This token may not see this";
  }
  return data(sentence(failure.message));
}

/** @param {ApiFailure} failure @returns {Child} */
function failureHint({ status, permission, hint, retryAfter }) {
  if (permission !== undefined) {
    return [
      "It lacks ",
      h("code", null, permission),
      ". Whoever runs the agent can grant it: ",
      h("code", null, `picket token create NAME --permission ${permission}`),
    ];
  }
  if (hint !== undefined) return data(sentence(hint));
  if (status === 0) return "The page tries again by itself. Is the agent running?";
  if (status === 429) return `The agent asks to wait ${retryAfter ?? 1} s.`;
  return "The agent's log has the reason.";
}

/** @param {string} text */
export function sentence(text) {
  return text === "" ? text : text[0]?.toUpperCase() + text.slice(1);
}

/** Rows of names and values. @param {[Child, Child][]} rows */
export function facts(rows) {
  return h(
    "dl",
    { class: "facts" },
    rows.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
  );
}

/**
 * A button that cannot be used says why, to the pointer and to a screen reader. It stays in the order
 * of focus, so that whoever uses the keyboard can find out.
 *
 * @param {{ label: Child, onclick: () => void, why?: string | undefined, kind?: string, key?: string,
 *   name?: string }} options `why`: the reason it cannot be used.
 */
export function action({ label, onclick, why, kind = "", key, name }) {
  return h("button", {
    type: "button",
    class: kind,
    key,
    "aria-disabled": why === undefined ? undefined : "true",
    "aria-label": name === undefined ? undefined : why === undefined ? name : `${name}. ${why}`,
    title: why,
    onclick: why === undefined ? onclick : () => toast(why),
  }, label);
}

/** @param {string} text What is copied. @param {string} [label] @param {string} [name] */
export function copyButton(text, label = "Copy", name) {
  return h("button", {
    type: "button",
    class: "quiet small",
    "aria-label": name,
    onclick: () => void copy(text),
  }, label);
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast(copyBySelection(text) ? "Copied" : "The browser does not allow copying here");
  }
}

/** Plain HTTP on another host has no clipboard API. @param {string} text */
function copyBySelection(text) {
  const field = h("textarea", { class: "unseen", "aria-hidden": "true" });
  const active = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (active instanceof HTMLElement) active.focus();
  return done;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toastTimer;

/** Says something for a few seconds. @param {string} text */
export function toast(text) {
  const element = document.getElementById("toast");
  if (element === null) return;
  element.textContent = text;
  element.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => element.hidden = true, 5000);
}

const WIDTH = 240;
const HEIGHT = 44;

/**
 * A line of the last minutes; the highest value reaches the top.
 *
 * @param {number[]} values Oldest first.
 * @param {string} label For who cannot see it.
 */
export function sparkline(values, label) {
  const max = Math.max(...values, 0.001);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, at) =>
    `${(at * step).toFixed(1)},${(HEIGHT - 2 - (value / max) * (HEIGHT - 6)).toFixed(1)}`
  );
  return s(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    values.length < 2 ? s("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 2, y2: HEIGHT - 2 }) : [
      s("polygon", { points: `0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}` }),
      s("polyline", { points: points.join(" ") }),
    ],
  );
}

/** A share of a whole as a bar. @param {number} share 0 to 1. */
export function bar(share) {
  const width = Math.max(0, Math.min(100, share * 100)).toFixed(1);
  return s(
    "svg",
    { class: "share", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "track", width: 100, height: 4 }),
    s("rect", { class: "fill", width, height: 4 }),
  );
}

/**
 * A section with a heading.
 *
 * @param {{ title: Child, aside?: Child, class?: string, key?: string }} head
 * @param {...Child} children
 */
export function card(head, ...children) {
  return h(
    "section",
    { class: `card ${head.class ?? ""}`.trim(), key: head.key },
    h("div", { class: "card-head" }, h("h2", null, head.title), head.aside),
    children,
  );
}
