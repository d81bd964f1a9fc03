// @ts-check
/// <reference lib="dom" />
/**
 * The overview: is the agent well, what does it see, what has it found.
 */
import { data, h, patch } from "./dom.js";
import { bytes, duration, number, plural, rate, words } from "./format.js";
import { feed, listen } from "./live.js";
import {
  ago,
  badge,
  bar,
  card,
  copyButton,
  empty,
  facts,
  failureNotice,
  levelBadge,
  sparkline,
} from "./parts.js";
import { state } from "./state.js";
import { INPUT_WORDS, inputTone } from "./view_inputs.js";
import { SINK_WORDS, sinkTone } from "./view_sinks.js";

/** @typedef {import("../../view.ts").Readiness} Readiness */
/** @typedef {import("./types.ts").Child} Child */

/** What the codes mean and what helps. @type {Record<string, [meaning: string, advice: string]>} */
const REASONS = {
  rules_not_loaded: ["Rules are still being loaded", "Large rule sets take a few seconds."],
  no_rules: ["No rule is in service", "Nothing can be found. Look at Rules for what has failed."],
  shutting_down: ["The agent is stopping", "It delivers what it can and ends."],
  sink_stalled: ["Alerts are not getting out", "They are kept. Look at Sinks for the reason."],
  state_db_unwritable: [
    "The state file cannot be written",
    "Inputs wait so that nothing is lost. Check rights and the disk of state.path.",
  ],
  disk_low: ["The disk is full", "Inputs wait so that nothing is lost. Make room on the disk."],
  last_reload_failed: [
    "The last reload failed",
    "What was in service before still is. Look at Reload.",
  ],
  rules_failed: ["Some rules cannot be used", "All others work. Look at Rules, status failed."],
  input_failed: ["An input has failed", "Events of it are not seen. Look at Inputs."],
  sink_failing: ["A sink does not take alerts", "They are kept and tried again. Look at Sinks."],
  dead_letters: [
    "Alerts could not be delivered and were set aside",
    "picket dlq list shows them, picket dlq replay tries again.",
  ],
  watcher_failed: ["Files are not watched", "Changes need a reload by hand."],
  clock_skew: ["The clock is wrong", "Times of events and of this machine do not fit together."],
  last_good_rules: [
    "Older rules are in service",
    "The current ones cannot be loaded. Look at Reload and Rules.",
  ],
  state_in_memory: [
    "The state file cannot be used",
    "A crash now loses alerts and positions. picket doctor says what to mend.",
  ],
};

/** @type {import("./main.js").View} */
export const overviewView = {
  title: "Overview",
  mount(root) {
    const update = () => patch(root, content());
    const leave = listen({ onAlerts: update, onState: () => {} });
    update();
    return { update, leave };
  },
};

/** @returns {Child} */
function content() {
  const { status, stats } = state;
  return [
    status.failure !== undefined && status.failure.status !== 0
      ? failureNotice(status.failure)
      : null,
    status.value === undefined ? null : health(status.value.readiness),
    stats.value === undefined || status.value === undefined ? null : tiles(),
    h(
      "div",
      { class: "columns" },
      h("div", { class: "column" }, latestAlerts(), topRules()),
      h("div", { class: "column" }, plumbing(), agentFacts()),
    ),
  ];
}

/** @param {Readiness} readiness */
function health({ reasons, degraded }) {
  const isReady = reasons.length === 0;
  const tone = !isReady ? "bad" : degraded.length > 0 ? "warn" : "good";
  const title = !isReady
    ? "Not ready"
    : degraded.length > 0
    ? "Working, with problems"
    : "Everything works";
  return h(
    "section",
    { class: `health health-${tone}`, "aria-label": "Health" },
    h("h2", null, title),
    isReady && degraded.length === 0
      ? h("p", null, "Rules are loaded, inputs are read, sinks take their alerts.")
      : h("ul", null, [...reasons, ...degraded].map(reason)),
  );
}

/** @param {{ code: string, message: string }} one */
function reason({ code, message }) {
  const [meaning, advice] = REASONS[code] ?? [words(code), ""];
  return h(
    "li",
    null,
    h("strong", null, meaning),
    h("span", { class: "detail" }, data(message)),
    h("span", { class: "advice" }, advice),
  );
}

function tiles() {
  const status = state.status.value;
  const stats = state.stats.value;
  if (status === undefined || stats === undefined) return null;
  const { events_per_second: events, alerts_per_second: alerts, outbox } = stats;
  return h(
    "div",
    { class: "tiles" },
    tile({
      name: "Events a second",
      value: rate(events.m1),
      note: `${rate(events.m5)} over 5 min, ${rate(events.m15)} over 15 min`,
      chart: sparkline(
        state.samples.map((one) => one.events),
        `Events a second over the last ${minutes()}`,
      ),
    }),
    tile({
      name: "Alerts a second",
      value: rate(alerts.m1),
      note: `${rate(alerts.m5)} over 5 min, ${rate(alerts.m15)} over 15 min`,
      chart: sparkline(
        state.samples.map((one) => one.alerts),
        `Alerts a second over the last ${minutes()}`,
      ),
      alert: true,
    }),
    tile({
      name: "Events",
      value: number(status.events_processed),
      note: status.parse_errors === 0
        ? "all could be read"
        : `${number(status.parse_errors)} could not be read`,
    }),
    tile({
      name: "Alerts",
      value: number(status.alerts),
      note: `${plural(status.detection_matches, "match", "matches")} since start`,
    }),
    tile({
      name: "Rules",
      value: number(status.detection_rules),
      note: status.failed_rules === 0 ? "none failed" : `${number(status.failed_rules)} failed`,
    }),
    tile({
      name: "Waiting to be sent",
      value: number(outbox.alerts),
      note: outbox.alerts === 0
        ? "the outbox is empty"
        : `${bytes(outbox.bytes)}, the oldest for ${duration(outbox.oldest_seconds)}`,
    }),
    tile({ name: "Memory", value: bytes(stats.memory_rss_bytes), note: "of the process" }),
    tile({
      name: "Running for",
      value: duration(status.uptime_seconds),
      note: stats.event_lag_seconds === null
        ? "since the last start"
        : `events ${duration(stats.event_lag_seconds)} behind`,
    }),
  );
}

function minutes() {
  return duration(state.samples.length * 2 || 2);
}

/** @param {{ name: string, value: string, note: string, chart?: Element, alert?: boolean }} facts */
function tile({ name, value, note, chart, alert }) {
  return h(
    "div",
    { class: `tile${chart === undefined ? "" : " tile-chart"}${alert ? " tile-alert" : ""}` },
    h("span", { class: "tile-name" }, name),
    h("span", { class: "tile-value" }, value),
    h("span", { class: "tile-note" }, note),
    chart,
  );
}

function latestAlerts() {
  const latest = feed.alerts.slice(-6).reverse();
  return card(
    { title: "Latest alerts", aside: h("a", { href: "#/alerts" }, "All alerts") },
    feed.state === "refused"
      ? empty("Not shown", "This token lacks detections:read.")
      : latest.length === 0
      ? empty("No alerts yet", "They appear here within a second of the event.")
      : h(
        "ul",
        { class: "rows" },
        latest.map((alert) =>
          h(
            "li",
            { key: alert.id },
            h(
              "a",
              { class: "row", href: `#/alerts/${encodeURIComponent(alert.id)}` },
              levelBadge(alert.level),
              h("span", { class: "row-main" }, data(alert.title)),
              h("span", { class: "faint" }, ago(alert.timeMs)),
            ),
          )
        ),
      ),
  );
}

function topRules() {
  const top = state.stats.value?.top_rules ?? [];
  const most = top[0]?.matches_total ?? 1;
  return card(
    { title: "Busiest rules", aside: h("a", { href: "#/rules" }, "All rules") },
    top.length === 0 ? empty("No rule has matched", "Since the agent started.") : h(
      "ul",
      { class: "rows" },
      top.slice(0, 8).map((rule) =>
        h(
          "li",
          { key: rule.id },
          h(
            "a",
            { class: "row", href: `#/rules/${encodeURIComponent(rule.id)}` },
            levelBadge(rule.level),
            h("span", { class: "row-main" }, data(rule.title), bar(rule.matches_total / most)),
            h("span", { class: "figure" }, number(rule.matches_total)),
          ),
        )
      ),
    ),
  );
}

function plumbing() {
  const inputs = state.inputs.value;
  const sinks = state.sinks.value;
  return [
    inputs === undefined ? null : card(
      { title: "Inputs", aside: h("a", { href: "#/inputs" }, "Details") },
      inputs.length === 0 ? empty("No inputs", "Add one below sources in the configuration.") : h(
        "ul",
        { class: "rows" },
        inputs.map((input) =>
          h(
            "li",
            { key: input.id, class: "row" },
            badge(inputTone(input.state), INPUT_WORDS[input.state]),
            h("span", { class: "row-main" }, data(input.id)),
            h("span", { class: "figure" }, number(input.events_total)),
          )
        ),
      ),
    ),
    sinks === undefined ? null : card(
      { title: "Sinks", aside: h("a", { href: "#/sinks" }, "Details") },
      sinks.length === 0
        ? empty("No sinks", "Alerts are kept here only. Add one below sinks in the configuration.")
        : h(
          "ul",
          { class: "rows" },
          sinks.map((sink) =>
            h(
              "li",
              { key: sink.id, class: "row" },
              badge(sinkTone(sink), SINK_WORDS[sink.state]),
              h("span", { class: "row-main" }, data(sink.id)),
              h(
                "span",
                { class: "figure" },
                sink.backlog.alerts === 0
                  ? number(sink.delivered_total)
                  : `${number(sink.backlog.alerts)} waiting`,
              ),
            )
          ),
        ),
    ),
  ];
}

function agentFacts() {
  const version = state.version.value;
  const status = state.status.value;
  if (version === undefined || status === undefined) return null;
  const { rule_bundle: bundle } = version;
  const last = status.last_reload;
  return card(
    { title: "Agent" },
    facts([
      ["Id", [data(status.agent_id), " ", copyButton(status.agent_id, "Copy", "Copy the id")]],
      ["Version", [
        `${version.name} ${version.version}`,
        version.commit === null ? null : [" ", h("code", null, data(version.commit.slice(0, 12)))],
      ]],
      ["Runs on", `${version.os} ${version.arch}, ${version.runtime}`],
      [
        "Rule bundle",
        bundle === null ? "none" : [
          h("code", { title: bundle.sha256 }, data(bundle.id)),
          " ",
          copyButton(bundle.sha256, "Copy SHA-256"),
        ],
      ],
      [
        "Last reload",
        last === null ? "none since start" : [
          badge(last.ok ? "good" : "bad", last.ok ? "done" : "failed"),
          " ",
          ago(last.started * 1000),
        ],
      ],
      ["Reads", version.features.join(", ")],
    ]),
  );
}
