// @ts-check
/// <reference lib="dom" />
/**
 * Alerts as they come: kept, told apart by their ids, handed on together.
 *
 * The stream begins behind 0, so the agent sends the alerts it has kept and then those it commits,
 * and after a broken connection those that were missed: one way for all of them.
 */
import { ApiFailure, asFailure, request } from "./api.js";
import { parseExact } from "./json_text.js";
import { onRestart, signOut } from "./state.js";
import { backoff, readEvents } from "./stream.js";

/**
 * @typedef {object} AlertItem
 * @property {number} seq
 * @property {string} id
 * @property {string} body JSON, as sinks get it.
 * @property {string} level `none` for alerts without one.
 * @property {string} title
 * @property {string | undefined} ruleId
 * @property {string} computer
 * @property {string} source
 * @property {string} kind
 * @property {number} timeMs When it happened; when it was found, if that is not known.
 * @property {string | undefined} text Lower-case JSON; made when it is searched.
 */

/** @typedef {"idle" | "connecting" | "live" | "polling" | "waiting" | "refused"} FeedState */

/** The agent keeps as many. */
export const MAX_ALERTS = 1000;
/** A burst changes the list so often: nobody reads faster, and every change moves all rows. */
const FLUSH_MS = 250;
/** The agent sends a comment every 15 s; after two that have not come the connection is dead. */
const SILENCE_MS = 40_000;
const POLL_MS = 3000;
/** How long to poll before asking for a stream again. */
const STREAM_RETRY_MS = 15_000;

export const feed = {
  /** Oldest first. @type {AlertItem[]} */
  alerts: /** @type {AlertItem[]} */ ([]),
  /** @type {FeedState} */
  state: /** @type {FeedState} */ ("idle"),
  /** @type {string | undefined} */
  message: /** @type {string | undefined} */ (undefined),
};

/** @typedef {{ onAlerts: (added: AlertItem[]) => void, onState: () => void }} FeedListener */

/** @type {Set<FeedListener>} */
const listeners = new Set();
/** @type {Set<string>} */
const known = new Set();
/** @type {AlertItem[]} */
let pending = [];
let isScheduled = false;
let flushedAt = 0;
let lastSeq = 0;
/** @type {AbortController | undefined} */
let running;

/** @param {FeedListener} listener @returns {() => void} */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function startFeed() {
  if (running !== undefined) return;
  running = new AbortController();
  void run(running.signal);
}

/** Ends the stream and forgets what it has brought. */
export function stopFeed() {
  running?.abort();
  running = undefined;
  feed.alerts = [];
  pending = [];
  known.clear();
  lastSeq = 0;
  setState("idle");
}

// An agent with a new state file counts from 1 again; what is known already is known by its id.
onRestart(() => lastSeq = 0);

/** @param {FeedState} state @param {string} [message] */
function setState(state, message) {
  feed.state = state;
  feed.message = message;
  for (const { onState } of listeners) onState();
}

/** @param {AbortSignal} signal */
async function run(signal) {
  let attempt = 0;
  while (!signal.aborted) {
    setState(attempt === 0 ? "connecting" : "waiting", feed.message);
    let failure;
    try {
      await stream(signal, () => attempt = 0);
      failure = new ApiFailure(0, "The agent ended the stream");
    } catch (error) {
      failure = asFailure(error);
    }
    if (signal.aborted) return;
    if (failure.status === 401) return signOut("The token is no longer valid.");
    if (failure.status === 403) return setState("refused", failure.message);
    if (failure.status === 409 || failure.status === 503) {
      await pollFor(STREAM_RETRY_MS, failure, signal);
      continue;
    }
    setState("waiting", failure.message);
    await sleep(backoff(attempt++, Math.random()), signal);
  }
}

/** @param {AbortSignal} signal @param {() => void} onOpen */
async function stream(signal, onOpen) {
  const silence = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  heard();
  try {
    const response = await request("/api/v1/detections/stream", {
      headers: { accept: "text/event-stream", "last-event-id": String(lastSeq) },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (response.body === null) throw new ApiFailure(0, "The stream is empty");
    onOpen();
    setState("live");
    await readEvents(response.body, ({ event, data, id }) => {
      if (event === "alert") take(Number(id), data);
    }, heard);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {number} ms @param {ApiFailure} why @param {AbortSignal} signal */
async function pollFor(ms, why, signal) {
  const until = performance.now() + ms;
  setState("polling", why.hint ?? why.message);
  while (!signal.aborted && performance.now() < until) {
    try {
      const path = `/api/v1/alerts?limit=${MAX_ALERTS}&after=${lastSeq}`;
      const text = await (await request(path, { signal })).text();
      const answer =
        /** @type {{ alerts: { seq: number, alert: unknown }[] }} */ (parseExact(text));
      for (const { seq, alert } of answer.alerts) take(seq, JSON.stringify(alert));
    } catch (error) {
      if (asFailure(error).status !== 0) return;
    }
    await sleep(POLL_MS, signal);
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}

/** @param {number} seq @param {string} body */
function take(seq, body) {
  lastSeq = seq;
  const item = itemOf(seq, body);
  if (item === undefined || known.has(item.id)) return;
  known.add(item.id);
  pending.push(item);
  // A frame may be long in coming: the page can be hidden any moment.
  if (pending.length > 2 * MAX_ALERTS) pending.splice(0, MAX_ALERTS);
  if (isScheduled) return;
  isScheduled = true;
  const wait = flushedAt + FLUSH_MS - performance.now();
  if (wait > 0) setTimeout(schedule, wait);
  else schedule();
}

function schedule() {
  // A page in the background gets no frames, but its list must not grow without bound.
  if (document.hidden) setTimeout(flush, 500);
  else requestAnimationFrame(flush);
}

function flush() {
  isScheduled = false;
  flushedAt = performance.now();
  const added = pending.slice(-MAX_ALERTS);
  pending = [];
  if (added.length === 0) return;
  feed.alerts.push(...added);
  if (feed.alerts.length > MAX_ALERTS) feed.alerts.splice(0, feed.alerts.length - MAX_ALERTS);
  if (known.size > 4 * MAX_ALERTS) {
    known.clear();
    for (const { id } of feed.alerts) known.add(id);
  }
  for (const { onAlerts } of listeners) onAlerts(added);
}

/**
 * What the list shows of an alert. Sinks may be set to plain results, which have no id and no time.
 *
 * @param {number} seq
 * @param {string} body
 * @returns {AlertItem | undefined}
 */
function itemOf(seq, body) {
  /** @type {Record<string, any>} */
  let alert;
  try {
    alert = JSON.parse(body);
  } catch {
    return undefined;
  }
  const source = alert["source"] ?? {};
  const time = Date.parse(alert["event_time"] ?? alert["detected_at"] ?? "");
  return {
    seq,
    id: String(alert["alert_id"] ?? `seq ${seq}`),
    body,
    level: typeof alert["level"] === "string" ? alert["level"] : "none",
    title: String(alert["rule_title"] ?? "Untitled rule"),
    ruleId: typeof alert["rule_id"] === "string" ? alert["rule_id"] : undefined,
    computer: String(source["computer"] ?? alert["agent"]?.["host"] ?? ""),
    source: String(source["id"] ?? ""),
    kind: String(alert["kind"] ?? "detection"),
    timeMs: Number.isNaN(time) ? Date.now() : time,
    text: undefined,
  };
}
