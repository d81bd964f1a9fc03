// @ts-check
/// <reference lib="dom" />
/**
 * The inputs: where events come from, how far they have been read.
 */
import { asFailure, ask, refusal } from "./api.js";
import { data, h, patch } from "./dom.js";
import { bytes, duration, number, words } from "./format.js";
import { action, ago, badge, empty, facts, failureNotice, sentence, toast } from "./parts.js";
import { refreshAnew, state } from "./state.js";

/** @typedef {import("../../view.ts").InputInfo} InputInfo */

/** @type {Record<InputInfo["state"], string>} */
export const INPUT_WORDS = {
  starting: "starting",
  running: "running",
  waiting: "waiting",
  failed: "failed",
  stopped: "stopped",
  paused: "paused",
};

/** @type {Record<string, string>} */
const PAUSED_BY = {
  operator: "Paused by an operator. What is written meanwhile is read later.",
  outbox_full: "The outbox is full: reading goes on when sinks have taken alerts.",
};

/** @param {InputInfo["state"]} inputState @returns {import("./parts.js").Tone} */
export function inputTone(inputState) {
  switch (inputState) {
    case "running":
      return "good";
    case "failed":
      return "bad";
    case "paused":
    case "waiting":
      return "warn";
    case "starting":
    case "stopped":
      return "calm";
  }
}

/** Inputs that are being paused or resumed. @type {Set<string>} */
const busy = new Set();

/** @type {import("./main.js").View} */
export const inputsView = {
  title: "Inputs",
  mount(root) {
    const update = () => {
      const { value, failure } = state.inputs;
      patch(
        root,
        failure !== undefined && failure.status !== 0 ? failureNotice(failure) : null,
        value === undefined ? null : value.length === 0
          ? empty("This agent has no inputs", [
            "Add one below ",
            h("code", null, "sources"),
            " in the configuration and reload.",
          ])
          : h("div", { class: "cards" }, value.map((input) => inputCard(input, update))),
      );
    };
    update();
    return { update };
  },
};

/** @param {InputInfo} input @param {() => void} update */
function inputCard(input, update) {
  const isPaused = input.paused_reason === "operator";
  const verb = isPaused ? "resume" : "pause";
  const label = isPaused ? "Resume" : "Pause";
  const canPause = input.state !== "stopped" && input.state !== "failed";
  const why = refusal("inputs:write") ??
    (busy.has(input.id) ? "In progress" : canPause ? undefined : "It does not run");
  const counts = Object.entries(input.counts);
  return h(
    "section",
    { class: "card", key: input.id },
    h(
      "div",
      { class: "card-head" },
      h("h2", null, data(input.id)),
      badge(inputTone(input.state), INPUT_WORDS[input.state]),
    ),
    input.error === null ? null : h("p", { class: "error" }, data(sentence(input.error))),
    input.paused_reason === null
      ? null
      : h("p", { class: "hint" }, PAUSED_BY[input.paused_reason] ?? data(input.paused_reason)),
    facts([
      ["Type", data(input.kind)],
      ["Events", number(input.events_total)],
      ["Last event", ago(input.last_event === null ? null : input.last_event * 1000)],
      ...Object.entries(input.lag).map((entry) => lagRow(entry)),
      ...counts.filter(([, value]) => value > 0).map(countRow),
    ]),
    h(
      "details",
      { class: "rest" },
      h("summary", null, "Position and other counts"),
      facts([
        ...counts.filter(([, value]) => value === 0).map(countRow),
        [
          "Position",
          input.position === null
            ? h("span", { class: "faint" }, "none committed")
            : h("code", { class: "clip" }, data(input.position)),
        ],
      ]),
    ),
    h(
      "div",
      { class: "buttons" },
      action({
        label,
        key: "action",
        name: `${label} ${input.id}`,
        why,
        onclick: () => void change(input.id, verb, update),
      }),
    ),
  );
}

/** @param {[string, number]} entry @returns {[string, string]} */
function lagRow([name, value]) {
  if (name === "bytes") return ["Behind", bytes(value)];
  if (name.endsWith("seconds")) return ["Behind", duration(value)];
  return ["Behind", `${number(value)} ${words(name)}`];
}

/** @param {[string, number]} entry @returns {[string, string]} */
function countRow([name, value]) {
  return [sentence(words(name)), /bytes/.test(name) ? bytes(value) : number(value)];
}

/** @param {string} id @param {"pause" | "resume"} verb @param {() => void} update */
async function change(id, verb, update) {
  busy.add(id);
  update();
  try {
    await ask(`/api/v1/inputs/${encodeURIComponent(id)}/${verb}`, { method: "POST" });
    toast(verb === "pause" ? "Input paused" : "Input resumed");
  } catch (error) {
    toast(sentence(asFailure(error).message));
  }
  busy.delete(id);
  await refreshAnew();
}
