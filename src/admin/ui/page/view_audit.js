// @ts-check
/// <reference lib="dom" />
/**
 * The audit trail: who changed what.
 */
import { asFailure, ask } from "./api.js";
import { data, h, patch } from "./dom.js";
import { number, plural } from "./format.js";
import { badge, empty, failureNotice, time } from "./parts.js";

/** @typedef {import("./api.js").ApiFailure} ApiFailure */
/** @typedef {import("../../view.ts").AuditRow} AuditRow */

const PAGE = 50;

/** @type {import("./main.js").View} */
export const auditView = {
  title: "Audit",
  mount(root) {
    const gone = new AbortController();
    let offset = 0;
    /** @type {{ count: number, entries: AuditRow[] } | undefined} */
    let answer;
    /** @type {ApiFailure | undefined} */
    let failure;
    const load = async () => {
      try {
        answer = await ask(`/api/v1/audit?limit=${PAGE}&offset=${offset}`, { signal: gone.signal });
        failure = undefined;
      } catch (error) {
        if (gone.signal.aborted) return;
        failure = asFailure(error);
      }
      patch(root, content());
    };
    /** @param {number} to */
    const turn = (to) => {
      offset = Math.max(0, to);
      void load();
    };
    const content = () => {
      if (failure !== undefined) return failureNotice(failure);
      if (answer === undefined) return null;
      if (answer.count === 0) {
        return empty(
          "Nothing has been changed yet",
          "Reloads, pauses and failed sign-ins are noted.",
        );
      }
      const last = Math.min(answer.count, offset + answer.entries.length);
      return [
        h(
          "div",
          { class: "tools" },
          h(
            "p",
            { class: "note grow" },
            `${number(offset + 1)} to ${number(last)} of ${
              plural(answer.count, "entry", "entries")
            }`,
          ),
          offset === 0
            ? h("button", { type: "button", key: "refresh", onclick: () => turn(0) }, "Refresh")
            : h(
              "button",
              { type: "button", key: "newer", onclick: () => turn(offset - PAGE) },
              "Newer",
            ),
          last >= answer.count ? null : h(
            "button",
            { type: "button", key: "older", onclick: () => turn(offset + PAGE) },
            "Older",
          ),
        ),
        table(answer.entries),
      ];
    };
    void load();
    return { update: () => {}, leave: () => gone.abort() };
  },
};

/** @param {AuditRow[]} entries */
function table(entries) {
  return h(
    "table",
    { class: "as-cards" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Time", "Who", "What", "Answer", "From", "Request"].map((one) =>
          h("th", { scope: "col" }, one)
        ),
      ),
    ),
    h(
      "tbody",
      null,
      entries.map((entry) =>
        h(
          "tr",
          { key: entry.id },
          h("td", { class: "nowrap" }, time(entry.ts * 1000)),
          h("td", { "data-label": "Who" }, data(entry.token ?? entry.actor_kind)),
          h(
            "td",
            { class: "grow" },
            h("code", null, data(`${entry.method} ${entry.path}`)),
          ),
          h(
            "td",
            { "data-label": "Answer" },
            badge(entry.status < 400 ? "good" : "bad", String(entry.status)),
            h("span", { class: "faint" }, ` ${number(entry.duration_ms)} ms`),
          ),
          h("td", { "data-label": "From" }, data(entry.peer)),
          h(
            "td",
            { "data-label": "Request" },
            h(
              "code",
              { class: "faint", title: `hash ${entry.hash}` },
              data(entry.request_id.slice(0, 8)),
            ),
          ),
        )
      ),
    ),
  );
}
