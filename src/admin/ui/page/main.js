// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The frame of the page: which view is shown, who is signed in, how the agent is.
 */
import { hasToken, useToken } from "./api.js";
import { data, h, patch } from "./dom.js";
import { duration } from "./format.js";
import { startFeed, stopFeed } from "./live.js";
import { badge } from "./parts.js";
import { changed, onChange, refresh, signOut, state } from "./state.js";
import { alertsView } from "./view_alerts.js";
import { auditView } from "./view_audit.js";
import { configView } from "./view_config.js";
import { inputsView } from "./view_inputs.js";
import { overviewView } from "./view_overview.js";
import { reloadView } from "./view_reload.js";
import { rulesView } from "./view_rules.js";
import { sinksView } from "./view_sinks.js";

/**
 * @typedef {object} View
 * @property {string} title
 * @property {(root: HTMLElement, rest: string) => { update(): void, route?(rest: string): void,
 *   leave?(): void }} mount `rest`: what follows the view's name in the address, decoded.
 *   `update` is called when the state has changed.
 */

/** @type {[string, View][]} */
const VIEWS = [
  ["overview", overviewView],
  ["alerts", alertsView],
  ["rules", rulesView],
  ["inputs", inputsView],
  ["sinks", sinksView],
  ["reload", reloadView],
  ["config", configView],
  ["audit", auditView],
];

const THEMES = ["auto", "light", "dark"];
const THEME_KEY = "picket-theme";

const main = element("main");
const nav = element("nav");
/** @type {{ name: string, view: ReturnType<View["mount"]> } | undefined} */
let shown;

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element #${id}`);
  return found;
}

/** What the address asks for. @returns {{ name: string, title: string, rest: string }} */
function route() {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const found = VIEWS.find(([one]) => one === name) ?? VIEWS[0];
  if (found === undefined) throw new Error("there are views");
  let decoded = rest.join("/");
  try {
    decoded = decodeURIComponent(decoded);
  } catch {
    // As it is.
  }
  return { name: found[0], title: found[1].title, rest: decoded };
}

/** @param {boolean} byUser Whether the address has changed, so that the focus goes along. */
function show(byUser) {
  if (state.access !== "in") {
    shown?.view.leave?.();
    shown = undefined;
    document.title = "Picket";
    if (state.access === "out") showSignIn();
    else showWaiting();
    return;
  }
  const { name, title, rest } = route();
  if (shown?.name === name) {
    if (byUser) shown.view.route?.(rest);
    else shown.view.update();
    return;
  }
  shown?.view.leave?.();
  main.replaceChildren();
  main.dataset["view"] = name;
  const heading = h("h1", { tabindex: "-1" }, title);
  const root = h("div", { class: "view" });
  main.append(heading, root);
  document.title = `${title} - Picket`;
  const view = VIEWS.find(([one]) => one === name)?.[1];
  if (view === undefined) return;
  shown = { name, view: view.mount(root, rest) };
  showNav();
  revealCurrent();
  if (byUser) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function showWaiting() {
  main.dataset["view"] = "waiting";
  patch(
    main,
    state.offlineSince === undefined ? h("p", { class: "faint pad" }, "Asking the agent...") : h(
      "div",
      { class: "notice notice-bad", role: "alert" },
      h("p", null, h("strong", null, "The agent does not answer")),
      h("p", null, "The page tries again by itself. Is the agent running?"),
    ),
  );
}

function showSignIn() {
  main.dataset["view"] = "sign-in";
  if (main.querySelector("form.sign-in") === null) main.replaceChildren();
  const message = state.accessMessage;
  patch(
    main,
    h(
      "form",
      { class: "card sign-in", onsubmit: submitToken, key: "sign-in" },
      h("h1", null, "Sign in"),
      h("p", null, "The agent wants a token. It stays in this page and is sent to nobody else."),
      h(
        "p",
        { class: "notice notice-bad", role: "alert", hidden: message === undefined },
        message ?? "",
      ),
      h("label", { for: "token" }, "API token"),
      h("input", {
        id: "token",
        type: "password",
        autocomplete: "off",
        spellcheck: "false",
        required: true,
        placeholder: "pkt_...",
      }),
      h(
        "label",
        { class: "check" },
        h("input", { id: "keep", type: "checkbox" }),
        "Keep it until this tab is closed",
      ),
      h("button", { type: "submit", class: "primary" }, "Sign in"),
      h(
        "p",
        { class: "hint" },
        "A token is made on the agent's machine with ",
        h("code", null, "picket token create NAME --role admin"),
        ", or ",
        h("code", null, "--role reader"),
        " for looking only.",
      ),
    ),
  );
  if (document.activeElement === document.body) document.getElementById("token")?.focus();
}

/** @param {SubmitEvent} event */
function submitToken(event) {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (element("token"));
  const keep = /** @type {HTMLInputElement} */ (element("keep")).checked;
  const token = field.value.trim();
  if (token === "") return;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    state.accessMessage =
      "A token has no blanks and no special characters. Was something else pasted?";
    changed();
    return;
  }
  useToken(token, keep);
  field.value = "";
  state.access = "unknown";
  state.accessMessage = undefined;
  changed();
  void refresh().then(() => {
    if (state.access === "in") main.querySelector("h1")?.focus();
  });
}

function showBar() {
  const id = state.status.value?.agent_id;
  patch(
    element("agent"),
    id === undefined ? null : h("span", { title: `Agent ${id}` }, data(id)),
  );
  patch(element("health"), state.access === "in" ? healthBadge() : null);
  element("sign-out").hidden = !(state.access === "in" && hasToken());
}

function healthBadge() {
  if (state.offlineSince !== undefined) {
    const seconds = (Date.now() - state.offlineSince) / 1000;
    return badge("bad", ["No answer", h("span", { class: "wide" }, ` for ${duration(seconds)}`)]);
  }
  const readiness = state.status.value?.readiness;
  if (readiness === undefined) return badge("calm", "Connected");
  if (readiness.reasons.length > 0) return badge("bad", "Not ready");
  return readiness.degraded.length > 0 ? badge("warn", "Degraded") : badge("good", "Ready");
}

function showNav() {
  const current = shown?.name;
  const inputs = state.inputs.value?.filter((one) => one.state === "failed").length ?? 0;
  const sinks = state.sinks.value?.filter((one) => one.error !== null || one.dead_letters > 0)
    .length ?? 0;
  const rules = state.status.value?.failed_rules ?? 0;
  /** @type {Record<string, [number, string]>} */
  const counts = {
    inputs: [inputs, "failed"],
    sinks: [sinks, "with problems"],
    rules: [rules, "failed"],
  };
  nav.hidden = state.access !== "in";
  patch(
    nav,
    h(
      "ul",
      null,
      VIEWS.map(([name, { title }]) => {
        const [count, what] = counts[name] ?? [0, ""];
        return h(
          "li",
          { key: name },
          h(
            "a",
            { href: `#/${name}`, "aria-current": current === name ? "page" : undefined },
            title,
            count === 0 ? null : h(
              "span",
              { class: "count" },
              count,
              h("span", { class: "unseen" }, ` ${what}`),
            ),
          ),
        );
      }),
    ),
  );
}

/** On a narrow page the views are a strip that scrolls. */
function revealCurrent() {
  const link = nav.querySelector("[aria-current]");
  if (link === null || nav.scrollWidth <= nav.clientWidth) return;
  const { left, width } = link.getBoundingClientRect();
  nav.scrollLeft += left + width / 2 - nav.clientWidth / 2;
}

/** @param {string} theme */
function useTheme(theme) {
  const known = THEMES.includes(theme) ? theme : "auto";
  if (known === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = known;
  const button = element("theme");
  patch(button, h("span", { class: "wide" }, "Theme: "), known);
  button.setAttribute("aria-label", `Theme: ${known}`);
  button.title = "Theme: as the system has it, light, or dark";
  return known;
}

function startTheme() {
  let theme = "auto";
  try {
    theme = useTheme(localStorage.getItem(THEME_KEY) ?? "auto");
  } catch {
    useTheme(theme);
  }
  element("theme").onclick = () => {
    theme = useTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto");
    try {
      localStorage.setItem(THEME_KEY, theme);
    } catch {
      // Then it holds until the page is left.
    }
  };
}

startTheme();
element("sign-out").onclick = () => signOut("Signed out.");
const skip = document.querySelector("a.skip");
if (skip instanceof HTMLElement) {
  skip.onclick = (event) => {
    event.preventDefault(); // The hash belongs to the views.
    main.focus();
  };
}
onChange(() => {
  if (state.access === "in") startFeed();
  else stopFeed();
  showBar();
  show(false);
  showNav();
});
addEventListener("hashchange", () => {
  show(true);
  showNav();
});
show(false);
showNav();
void refresh();
