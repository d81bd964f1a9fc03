// @ts-check
/// <reference lib="dom" />
/**
 * The list of alerts: a thousand rows that change many times a second, so rows are added and removed
 * one by one instead of being compared.
 */
import { data, h } from "./dom.js";
import { localTime, utcTime } from "./format.js";
import { MAX_ALERTS } from "./live.js";
import { levelBadge } from "./parts.js";

/** @typedef {import("./live.js").AlertItem} AlertItem */

export class AlertList {
  element = h("ol", { class: "alerts", "aria-label": "Alerts, newest first" });
  /** The rows that are shown. @type {Map<string, HTMLButtonElement>} */
  #rows = new Map();
  /** Also those that a filter hides: making a thousand takes longer than typing a letter. @type {Map<string, HTMLButtonElement>} */
  #made = new Map();
  /** @type {(item: AlertItem, isOpened: boolean) => void} */
  #onSelect;
  /** @type {string | undefined} */
  #selected;
  /** The one row that Tab reaches. @type {HTMLButtonElement | undefined} */
  #reachable;

  /** @param {(item: AlertItem, isOpened: boolean) => void} onSelect `isOpened`: not just passed by. */
  constructor(onSelect) {
    this.#onSelect = onSelect;
    this.element.onkeydown = (event) => this.#move(event);
  }

  get size() {
    return this.#rows.size;
  }

  /** @param {readonly AlertItem[]} items Oldest first. */
  replace(items) {
    this.element.replaceChildren();
    this.#rows.clear();
    this.#reachable = undefined;
    this.add(items);
  }

  /** Puts newer rows on top and drops the oldest. @param {readonly AlertItem[]} items Oldest first. */
  add(items) {
    const shown = items.slice(-MAX_ALERTS);
    const fragment = document.createDocumentFragment();
    for (let at = shown.length - 1; at >= 0; at--) {
      const item = shown[at];
      if (item !== undefined) fragment.append(this.#row(item));
    }
    this.element.prepend(fragment);
    while (this.#rows.size > MAX_ALERTS) this.#dropLast();
    if (this.#reachable === undefined) this.#reach(this.element.querySelector("button"));
    if (this.#made.size > 2 * MAX_ALERTS) this.#made = new Map(this.#rows);
  }

  /** Marks a row, wherever the focus is. @param {string | undefined} id */
  select(id) {
    this.#mark(this.#selected, false);
    this.#selected = id;
    this.#mark(id, true);
    if (id !== undefined) this.#reach(this.#rows.get(id) ?? null);
  }

  /** Puts the focus on the selected row, or on the one that Tab would reach. */
  focus() {
    const row = this.#selected === undefined ? undefined : this.#rows.get(this.#selected);
    (row ?? this.#reachable)?.focus();
  }

  /** @param {AlertItem} item */
  #row(item) {
    const row = this.#made.get(item.id) ?? this.#make(item);
    this.#made.set(item.id, row);
    this.#rows.set(item.id, row);
    row.tabIndex = -1;
    this.#mark(item.id, item.id === this.#selected);
    return h("li", null, row);
  }

  /** @param {AlertItem} item @returns {HTMLButtonElement} */
  #make(item) {
    const row = h(
      "button",
      {
        type: "button",
        class: "alert",
        onclick: () => this.#onSelect(item, true),
        onfocus: () => {
          this.#reach(row);
          this.#onSelect(item, false);
        },
      },
      levelBadge(item.level),
      h("span", { class: "alert-title" }, data(item.title)),
      h(
        "span",
        { class: "alert-where" },
        data(item.computer),
        item.computer === item.source || item.source === "" ? null : [
          item.computer === "" ? null : " / ",
          data(item.source),
        ],
      ),
      h("time", { class: "alert-time", title: utcTime(item.timeMs) }, localTime(item.timeMs)),
    );
    row.dataset["id"] = item.id;
    return row;
  }

  #dropLast() {
    const last = this.element.lastElementChild;
    const row = last?.querySelector("button");
    this.#rows.delete(row?.dataset["id"] ?? "");
    last?.remove();
    if (row === this.#reachable) this.#reachable = undefined;
  }

  /** @param {string | undefined} id @param {boolean} isSelected */
  #mark(id, isSelected) {
    const row = id === undefined ? undefined : this.#rows.get(id);
    if (isSelected) row?.setAttribute("aria-current", "true");
    else row?.removeAttribute("aria-current");
  }

  /** @param {HTMLButtonElement | null} row */
  #reach(row) {
    if (row === null || row === this.#reachable) return;
    if (this.#reachable !== undefined) this.#reachable.tabIndex = -1;
    row.tabIndex = 0;
    this.#reachable = row;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const own = /** @type {Element} */ (event.target).closest("li");
    if (own === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = target(event.key, own, this.element);
    if (to === undefined) return;
    event.preventDefault();
    to?.querySelector("button")?.focus();
  }
}

/** Rows a page key moves by. */
const PAGE = 10;

/**
 * Where a key leads; `undefined` for keys that lead nowhere.
 *
 * @param {string} key
 * @param {Element} own
 * @param {Element} list
 * @returns {Element | null | undefined}
 */
function target(key, own, list) {
  switch (key) {
    case "ArrowDown":
    case "j":
      return own.nextElementSibling;
    case "ArrowUp":
    case "k":
      return own.previousElementSibling;
    case "Home":
      return list.firstElementChild;
    case "End":
      return list.lastElementChild;
    case "PageDown":
    case "PageUp": {
      const children = [...list.children];
      const at = children.indexOf(own) + (key === "PageDown" ? PAGE : -PAGE);
      return children[Math.max(0, Math.min(children.length - 1, at))];
    }
  }
  return undefined;
}
