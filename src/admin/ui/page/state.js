// @ts-check
/// <reference lib="dom" />
/**
 * What the page knows of the agent, asked for again every few seconds, and who wants to be told.
 */
import { asFailure, ask, forgetToken, hasToken } from "./api.js";

/** @typedef {import("./api.js").ApiFailure} ApiFailure */
/** @typedef {import("../../view.ts").Status} Status */
/** @typedef {import("../../view.ts").Stats} Stats */
/** @typedef {import("../../view.ts").VersionInfo} VersionInfo */
/** @typedef {import("../../view.ts").InputInfo} InputInfo */
/** @typedef {import("../../view.ts").SinkInfo} SinkInfo */
/** @typedef {{ at: number, events: number, alerts: number }} Sample Rates a second. */
/**
 * @template T
 * @typedef {{ value: T | undefined, failure: ApiFailure | undefined }} Asked
 */

const POLL_MS = 2000;
const HIDDEN_POLL_MS = 15_000;
/** Five minutes of samples. */
const MAX_SAMPLES = 150;

/** @template T @returns {Asked<T>} */
function nothing() {
  return { value: undefined, failure: undefined };
}

export const state = {
  /** @type {"unknown" | "in" | "out"} Whether the API lets us in. */
  access: /** @type {"unknown" | "in" | "out"} */ ("unknown"),
  /** Why not. @type {string | undefined} */
  accessMessage: /** @type {string | undefined} */ (undefined),
  /** Since when the agent does not answer, in Unix milliseconds. */
  offlineSince: /** @type {number | undefined} */ (undefined),
  status: /** @type {Asked<Status>} */ (nothing()),
  stats: /** @type {Asked<Stats>} */ (nothing()),
  version: /** @type {Asked<VersionInfo>} */ (nothing()),
  inputs: /** @type {Asked<InputInfo[]>} */ (nothing()),
  sinks: /** @type {Asked<SinkInfo[]>} */ (nothing()),
  /** @type {Sample[]} */
  samples: /** @type {Sample[]} */ ([]),
};

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {Set<() => void>} */
const restartListeners = new Set();

/** Calls `listener` after each change. @param {() => void} listener @returns {() => void} Ends that. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `listener` when the agent has been started anew. @param {() => void} listener */
export function onRestart(listener) {
  restartListeners.add(listener);
}

export function changed() {
  for (const listener of [...listeners]) listener();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let failures = 0;
/** @type {Promise<void> | undefined} */
let running;
/** @type {{ at: number, events: number, alerts: number, uptime: number } | undefined} */
let last;

/** Asks for everything now, and then again and again. @returns {Promise<void>} */
export function refresh() {
  clearTimeout(timer);
  return running ??= poll().finally(() => {
    running = undefined;
    if (state.access === "out") return;
    const wait = document.hidden ? HIDDEN_POLL_MS : POLL_MS;
    timer = setTimeout(() => void refresh(), Math.min(15_000, wait * 2 ** Math.min(failures, 3)));
  });
}

/** Asks anew even if answers are under way: those may be from before. @returns {Promise<void>} */
export async function refreshAnew() {
  await running;
  await refresh();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state.access === "in") void refresh();
});

async function poll() {
  // One question first: a token that is wrong must not count five times towards the lockout.
  const first = await get(state.status, "/api/v1/status");
  if (first?.status === 401) {
    return signOut(
      hasToken()
        ? "The agent does not know this token: it may be mistyped, expired or revoked."
        : undefined,
    );
  }
  if (first?.status === 429 && state.access === "unknown") return signOut(lockedMessage(first));
  const offline = first?.status === 0;
  failures = offline ? failures + 1 : 0;
  state.offlineSince = offline ? state.offlineSince ?? Date.now() : undefined;
  if (!offline) {
    state.access = "in";
    await Promise.all([
      get(state.stats, "/api/v1/stats"),
      get(state.inputs, "/api/v1/inputs?limit=1000"),
      get(state.sinks, "/api/v1/sinks?limit=1000"),
      state.version.value === undefined ? get(state.version, "/api/v1/version") : undefined,
    ]);
    sample();
  }
  changed();
}

/**
 * @param {Asked<any>} slot
 * @param {string} path
 * @returns {Promise<ApiFailure | undefined>}
 */
async function get(slot, path) {
  try {
    const answer = await ask(path);
    slot.value = "items" in answer ? answer.items : answer;
    slot.failure = undefined;
  } catch (error) {
    slot.failure = asFailure(error);
    // What was known is shown as long as the agent is silent, but not to who may not see it.
    if (slot.failure.status !== 0 && slot.failure.status !== 429) slot.value = undefined;
  }
  return slot.failure;
}

/** @param {ApiFailure} failure */
function lockedMessage({ retryAfter }) {
  return `Too many failed attempts. Try again in ${retryAfter ?? 60} seconds.`;
}

/** Forgets the token and everything it has shown. @param {string} [message] */
export function signOut(message) {
  clearTimeout(timer);
  forgetToken();
  state.access = "out";
  state.accessMessage = message;
  state.offlineSince = undefined;
  for (const slot of [state.status, state.stats, state.version, state.inputs, state.sinks]) {
    slot.value = undefined;
    slot.failure = undefined;
  }
  state.samples = [];
  last = undefined;
  changed();
}

function sample() {
  const { value } = state.status;
  if (value === undefined || state.status.failure !== undefined) return;
  const now = {
    at: Date.now(),
    events: value.events_processed,
    alerts: value.alerts,
    uptime: value.uptime_seconds,
  };
  if (last !== undefined && now.uptime < last.uptime) {
    last = undefined;
    state.version.value = undefined;
    for (const listener of restartListeners) listener();
  }
  if (last !== undefined && now.at > last.at) {
    const seconds = (now.at - last.at) / 1000;
    state.samples.push({
      at: now.at,
      events: Math.max(0, now.events - last.events) / seconds,
      alerts: Math.max(0, now.alerts - last.alerts) / seconds,
    });
    if (state.samples.length > MAX_SAMPLES) state.samples.shift();
  }
  last = now;
}
