// @ts-check
/// <reference lib="dom" />
/**
 * The configuration in force, leaf by leaf, with where each value was set.
 */
import { asFailure, ask } from "./api.js";
import { data, h, patch } from "./dom.js";
import { number, plural } from "./format.js";
import { inline, pretty } from "./json_text.js";
import { badge, copyButton, empty, failureNotice } from "./parts.js";

/** @typedef {import("./api.js").ApiFailure} ApiFailure */
/** @typedef {import("../../view.ts").ConfigInfo} ConfigInfo */
/** @typedef {{ path: string, value: string, origin: string }} Leaf */

const filter = { text: "", isSetOnly: true };

/** @type {import("./main.js").View} */
export const configView = {
  title: "Configuration",
  mount(root) {
    const gone = new AbortController();
    /** @type {ConfigInfo | undefined} */
    let config;
    /** @type {ApiFailure | undefined} */
    let failure;
    const show = () => patch(root, content(config, failure, show));
    const load = async () => {
      try {
        config = await ask("/api/v1/config", { signal: gone.signal });
        failure = undefined;
      } catch (error) {
        if (gone.signal.aborted) return;
        failure = asFailure(error);
      }
      show();
    };
    void load();
    return { update: () => {}, leave: () => gone.abort() };
  },
};

/**
 * @param {ConfigInfo | undefined} config
 * @param {ApiFailure | undefined} failure
 * @param {() => void} show
 */
function content(config, failure, show) {
  if (failure !== undefined) return failureNotice(failure);
  if (config === undefined) return null;
  const leaves = leavesOf(config);
  const text = filter.text.trim().toLowerCase();
  const found = leaves.filter(({ path, value, origin }) =>
    (!filter.isSetOnly || origin !== "default") &&
    (text === "" || `${path} ${value} ${origin}`.toLowerCase().includes(text))
  );
  return [
    h(
      "div",
      { class: "tools", role: "search" },
      h(
        "label",
        { class: "grow" },
        h("span", null, "Search"),
        h("input", {
          type: "search",
          value: filter.text,
          placeholder: "key, value or origin",
          spellcheck: "false",
          autocomplete: "off",
          oninput: (/** @type {Event} */ event) => {
            filter.text = /** @type {HTMLInputElement} */ (event.target).value;
            show();
          },
        }),
      ),
      h(
        "label",
        { class: "check" },
        h("input", {
          type: "checkbox",
          checked: filter.isSetOnly,
          onchange: (/** @type {Event} */ event) => {
            filter.isSetOnly = /** @type {HTMLInputElement} */ (event.target).checked;
            show();
          },
        }),
        "Without defaults",
      ),
      copyButton(pretty(config.config), "Copy as JSON"),
    ),
    h(
      "p",
      { class: "note" },
      `${number(found.length)} of ${plural(leaves.length, "setting")}. Secrets are shown as ***.`,
    ),
    found.length === 0
      ? empty(
        "No setting to show",
        filter.isSetOnly ? "Everything that fits is at its default." : "Search for less.",
      )
      : h(
        "table",
        { class: "config as-cards" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Setting", "Value", "Set by"].map((one) => h("th", { scope: "col" }, one)),
          ),
        ),
        h(
          "tbody",
          null,
          found.map(({ path, value, origin }) =>
            h(
              "tr",
              { key: path },
              h("th", { scope: "row" }, h("code", null, data(path))),
              h("td", { class: "value" }, data(value)),
              h(
                "td",
                { "data-label": "Set by" },
                origin === "default" ? badge("calm", "default") : data(origin),
              ),
            )
          ),
        ),
      ),
  ];
}

/**
 * The path of an inner value as the API writes it: `a.b`, `a[0]`, `a["b.c"]`.
 *
 * @param {string} outer
 * @param {string} key
 * @param {boolean} isIndex
 */
function keyPath(outer, key, isIndex) {
  if (isIndex) return `${outer}[${key}]`;
  if (!/^[\w-]+$/.test(key)) return `${outer}[${JSON.stringify(key)}]`;
  return outer === "" ? key : `${outer}.${key}`;
}

/** Every value that has an origin of its own, and what has none in one piece. @param {ConfigInfo} config */
function leavesOf({ config, origins }) {
  /** @type {Leaf[]} */
  const found = [];
  /** @param {unknown} value @param {string} path @param {string} inherited */
  const visit = (value, path, inherited) => {
    const own = origins[path];
    const origin = own ?? inherited;
    if (own === undefined && typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        visit(inner, keyPath(path, key, Array.isArray(value)), origin);
      }
    } else if (value !== undefined) found.push({ path, value: inline(value), origin });
  };
  visit(config, "", "default");
  return found;
}
