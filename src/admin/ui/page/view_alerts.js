// @ts-check
/// <reference lib="dom" />
/**
 * Alerts: live, with filters and detail.
 */
import { alertDetail } from "./alert_detail.js";
import { AlertList } from "./alert_list.js";
import { h, patch } from "./dom.js";
import { number, plain, plural } from "./format.js";
import { feed, listen } from "./live.js";
import { badge, empty } from "./parts.js";

/** @typedef {import("./live.js").AlertItem} AlertItem */
/** @typedef {import("./types.ts").Child} Child */

const LEVELS = ["informational", "low", "medium", "high", "critical"];
/** A screen reader hears of new alerts once in so many milliseconds. */
const ANNOUNCE_MS = 10_000;
/** From here on, list and detail stand side by side; as in `widths.css`. */
const WIDE = "(min-width: 1100px)";

/** Kept while the page is open, so that coming back finds the same list. */
const filter = { level: "", text: "" };

/** @type {import("./main.js").View} */
export const alertsView = {
  title: "Alerts",
  mount(root, rest) {
    const view = new AlertsView(root);
    view.route(rest);
    return {
      update: () => {},
      route: (wanted) => view.route(wanted),
      leave: () => view.leave(),
    };
  },
};

class AlertsView {
  #list = new AlertList((item, isOpened) => this.#select(item, isOpened));
  #root;
  #tools = h("div", { class: "tools", role: "search" });
  #note = h("div", { class: "note" });
  #pane = h("div", { class: "pane" });
  #isPaused = false;
  /** What has come while the list stood still. */
  #held = 0;
  /** @type {AlertItem | undefined} */
  #open;
  /** An alert that an address asks for and that has not come yet. @type {string | undefined} */
  #wanted;
  #stopListening;
  /** @type {AlertItem[]} */
  #unannounced = [];
  #announcer;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    root.classList.add("split");
    root.append(
      h("div", { class: "split-list" }, this.#tools, this.#note, this.#list.element),
      this.#pane,
    );
    root.onkeydown = (event) => {
      if (event.key === "Escape" && this.#open !== undefined) this.#close();
    };
    this.#stopListening = listen({
      onAlerts: (added) => this.#add(added),
      onState: () => this.#showTools(),
    });
    this.#announcer = setInterval(() => this.#announce(), ANNOUNCE_MS);
    this.#list.replace(feed.alerts.filter(isWanted));
    this.#showTools();
    this.#showPane();
  }

  leave() {
    this.#stopListening();
    clearInterval(this.#announcer);
    this.#say("");
  }

  /** @param {string} id */
  route(id) {
    if (id === "") {
      if (this.#open !== undefined) this.#close();
      return;
    }
    if (this.#open?.id === id) return;
    const item = feed.alerts.find((one) => one.id === id);
    this.#wanted = item === undefined ? id : undefined;
    if (item !== undefined) this.#select(item, true);
    else this.#showPane();
  }

  /** @param {AlertItem[]} added */
  #add(added) {
    const wanted = added.filter(isWanted);
    if (this.#isPaused) this.#held += wanted.length;
    else this.#list.add(wanted);
    this.#unannounced.push(...wanted.slice(-100));
    if (this.#wanted !== undefined) this.route(this.#wanted);
    this.#showTools();
  }

  #showTools() {
    patch(
      this.#tools,
      h(
        "label",
        null,
        h("span", null, "Level"),
        h(
          "select",
          { oninput: (/** @type {Event} */ event) => this.#filter({ level: valueOf(event) }) },
          h("option", { value: "", selected: filter.level === "" }, "All levels"),
          LEVELS.map((level) =>
            h(
              "option",
              { value: level, selected: filter.level === level },
              level === "critical" ? "critical" : `${level} and above`,
            )
          ),
        ),
      ),
      h(
        "label",
        { class: "grow" },
        h("span", null, "Contains"),
        h("input", {
          type: "search",
          value: filter.text,
          placeholder: "anywhere in the alert",
          spellcheck: "false",
          autocomplete: "off",
          oninput: (/** @type {Event} */ event) => this.#filter({ text: valueOf(event) }),
        }),
      ),
      h(
        "button",
        {
          type: "button",
          class: this.#isPaused ? "primary" : "",
          "aria-pressed": String(this.#isPaused),
          onclick: () => this.#pause(),
        },
        this.#isPaused ? this.#held === 0 ? "Go on" : `Go on (${number(this.#held)} new)` : "Pause",
      ),
    );
    patch(this.#note, feedBadge(), this.#count());
  }

  /** @returns {Child} */
  #count() {
    const { size } = this.#list;
    if (feed.state === "refused") {
      return empty("Alerts are not shown", "This token lacks detections:read.");
    }
    if (size > 0) {
      return h(
        "span",
        null,
        size === feed.alerts.length
          ? plural(size, "alert")
          : `${number(size)} of ${plural(feed.alerts.length, "alert")}`,
        feed.alerts.length >= 1000 ? ", the newest of all" : "",
      );
    }
    if (feed.alerts.length > 0) {
      return [
        empty("No alert fits the filter", `${plural(feed.alerts.length, "alert")} in all.`),
        h("button", {
          type: "button",
          onclick: () => {
            this.#filter({ level: "", text: "" });
            this.#root.querySelector("input")?.focus();
          },
        }, "Show all"),
      ];
    }
    return empty("No alerts yet", [
      "They appear here within a second of the event. Nothing for long? Look whether ",
      h("a", { href: "#/inputs" }, "inputs"),
      " are read and ",
      h("a", { href: "#/rules" }, "rules"),
      " are loaded.",
    ]);
  }

  /** @param {Partial<typeof filter>} change */
  #filter(change) {
    Object.assign(filter, change);
    this.#refill();
  }

  #refill() {
    this.#held = 0;
    this.#list.replace(feed.alerts.filter(isWanted));
    this.#list.select(this.#open?.id);
    this.#showTools();
    for (const field of this.#tools.querySelectorAll("input, select")) {
      const wanted = field instanceof HTMLSelectElement ? filter.level : filter.text;
      const own = /** @type {HTMLInputElement | HTMLSelectElement} */ (field);
      if (own.value !== wanted) own.value = wanted;
    }
  }

  #pause() {
    this.#isPaused = !this.#isPaused;
    if (this.#isPaused) this.#showTools();
    else this.#refill();
  }

  /** @param {AlertItem} item @param {boolean} isOpened */
  #select(item, isOpened) {
    // On a narrow page the detail covers the list: passing by a row must not open it.
    if (!isOpened && (!matchMedia(WIDE).matches || this.#open === undefined)) return;
    if (this.#open !== item) {
      this.#open = item;
      this.#wanted = undefined;
      this.#list.select(item.id);
      this.#showPane();
      history.replaceState(null, "", `#/alerts/${encodeURIComponent(item.id)}`);
    }
    if (isOpened) this.#pane.querySelector("h2")?.focus({ preventScroll: true });
  }

  #close() {
    this.#open = undefined;
    this.#wanted = undefined;
    this.#showPane();
    this.#list.focus();
    this.#list.select(undefined);
    history.replaceState(null, "", "#/alerts");
  }

  #showPane() {
    this.#root.classList.toggle("is-open", this.#open !== undefined);
    this.#pane.scrollTop = 0;
    if (this.#open !== undefined) {
      this.#pane.replaceChildren(alertDetail(this.#open, () => this.#close()));
    } else if (this.#wanted !== undefined) {
      this.#pane.replaceChildren(
        empty("This alert is not here", "The page keeps the newest 1,000 alerts."),
      );
    } else {
      this.#pane.replaceChildren(
        empty("No alert is open", "Choose one, by pointer or with the arrow keys and Enter."),
      );
    }
  }

  #announce() {
    const fresh = this.#unannounced;
    this.#unannounced = [];
    const last = fresh.at(-1);
    if (last === undefined || this.#isPaused) return;
    const critical = fresh.filter(({ level }) => level === "critical").length;
    this.#say(
      `${plural(fresh.length, "new alert")}` +
        `${critical === 0 ? "" : `, ${number(critical)} critical`}, latest: ${plain(last.title)}`,
    );
  }

  /** @param {string} text */
  #say(text) {
    const element = document.getElementById("announce");
    if (element !== null) element.textContent = text;
  }
}

/** @param {Event} event */
function valueOf(event) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value;
}

/** @param {AlertItem} item */
function isWanted(item) {
  if (filter.level !== "" && LEVELS.indexOf(item.level) < LEVELS.indexOf(filter.level)) {
    return false;
  }
  const text = filter.text.trim().toLowerCase();
  if (text === "") return true;
  // A path is typed as it looks, not with the backslashes of JSON doubled.
  item.text ??= item.body.toLowerCase().replaceAll("\\\\", "\\");
  return item.text.includes(text);
}

function feedBadge() {
  switch (feed.state) {
    case "live":
      return badge("good", "Live");
    case "polling":
      return badge("warn", "Every 3 s", `No live stream: ${feed.message ?? ""}`);
    case "refused":
      return null;
    case "waiting":
      return badge("bad", "Connecting again", feed.message);
    case "idle":
    case "connecting":
      return badge("calm", "Connecting");
  }
}
