// @ts-check
/// <reference lib="dom" />
/**
 * The sinks: where alerts go, what waits, what went wrong.
 */
import { asFailure, ask, refusal } from "./api.js";
import { data, h, patch } from "./dom.js";
import { bytes, duration, number, plural } from "./format.js";
import { action, ago, badge, empty, facts, failureNotice, sentence, toast } from "./parts.js";
import { refreshAnew, state } from "./state.js";

/** @typedef {import("../../view.ts").SinkInfo} SinkInfo */

/** @type {Record<SinkInfo["state"], string>} */
export const SINK_WORDS = {
  running: "running",
  waiting: "waiting",
  paused: "paused",
  stopped: "stopped",
};

/** @param {SinkInfo} sink @returns {import("./parts.js").Tone} */
export function sinkTone({ state: sinkState, error, dead_letters: deadLetters }) {
  if (error !== null) return "bad";
  if (sinkState === "waiting" || sinkState === "paused" || deadLetters > 0) return "warn";
  return sinkState === "stopped" ? "calm" : "good";
}

/** @type {Set<string>} */
const busy = new Set();

/** @type {import("./main.js").View} */
export const sinksView = {
  title: "Sinks",
  mount(root) {
    const update = () => {
      const { value, failure } = state.sinks;
      patch(
        root,
        failure !== undefined && failure.status !== 0 ? failureNotice(failure) : null,
        value === undefined ? null : value.length === 0
          ? empty("This agent has no sinks", [
            "Alerts are kept on this machine only. Add one below ",
            h("code", null, "sinks"),
            " in the configuration and reload.",
          ])
          : h("div", { class: "cards" }, value.map((sink) => sinkCard(sink, update))),
      );
    };
    update();
    return { update };
  },
};

/** @param {SinkInfo} sink @param {() => void} update */
function sinkCard(sink, update) {
  const { backlog } = sink;
  const why = refusal("sinks:write") ??
    (busy.has(sink.id)
      ? "In progress"
      : sink.state === "stopped"
      ? "It does not run"
      : backlog.alerts === 0 && sink.error === null
      ? "Nothing waits"
      : undefined);
  return h(
    "section",
    { class: "card", key: sink.id },
    h(
      "div",
      { class: "card-head" },
      h("h2", null, data(sink.id)),
      badge(sinkTone(sink), SINK_WORDS[sink.state]),
    ),
    sink.error === null ? null : h("p", { class: "error" }, data(sentence(sink.error))),
    facts([
      ["Type", data(sink.kind)],
      ["Delivered", number(sink.delivered_total)],
      [
        "Waiting",
        backlog.alerts === 0
          ? "nothing"
          : `${plural(backlog.alerts, "alert")}, ${bytes(backlog.bytes)}`,
      ],
      [
        "Oldest",
        backlog.alerts === 0
          ? h("span", { class: "faint" }, "none")
          : duration(backlog.oldest_seconds),
      ],
      ["Last success", ago(sink.last_success === null ? null : sink.last_success * 1000)],
      ["Last error", ago(sink.last_error === null ? null : sink.last_error * 1000)],
      ...sink.next_try === null
        ? []
        : [/** @type {[string, Element]} */ (["Next try", nextTry(sink.next_try * 1000)])],
      [
        "Dead letters",
        sink.dead_letters === 0 ? "none" : h("strong", { class: "bad" }, number(sink.dead_letters)),
      ],
    ]),
    sink.dead_letters === 0 ? null : h(
      "p",
      { class: "hint" },
      h("code", null, "picket dlq list"),
      " shows what was set aside and why; ",
      h("code", null, "picket dlq replay"),
      " sends it again.",
    ),
    h(
      "div",
      { class: "buttons" },
      action({
        label: "Try now",
        key: "action",
        name: `Try ${sink.id} now`,
        why,
        onclick: () => void retry(sink.id, update),
      }),
    ),
  );
}

/** What is due is under way, even if the state that tells so is a second old. @param {number} ms */
function nextTry(ms) {
  return ms <= Date.now() ? "now" : ago(ms);
}

/** @param {string} id @param {() => void} update */
async function retry(id, update) {
  busy.add(id);
  update();
  try {
    await ask(`/api/v1/sinks/${encodeURIComponent(id)}/retry`, { method: "POST" });
    toast("The sink is tried now");
  } catch (error) {
    toast(sentence(asFailure(error).message));
  }
  busy.delete(id);
  await refreshAnew();
}
