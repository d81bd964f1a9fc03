// @ts-check
/// <reference lib="dom" />
/**
 * Requests to the agent, with the token that was typed in. The token is held in memory; only who
 * ticks the box has it in the session storage of the tab.
 */

const STORAGE_KEY = "picket-token";

/** @type {string | undefined} */
let token = read() ?? undefined;
/** Permissions the agent has refused to this token. @type {Set<string>} */
const refused = new Set();

/** A request that did not get what it asked for. `status` 0: the agent did not answer. */
export class ApiFailure extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {{ code?: string, hint?: string, retryAfter?: number, permission?: string }} [facts]
   */
  constructor(status, message, facts = {}) {
    super(message);
    this.name = "ApiFailure";
    this.status = status;
    this.code = facts.code;
    this.hint = facts.hint;
    /** Seconds. */
    this.retryAfter = facts.retryAfter;
    /** For 403: what the token lacks. */
    this.permission = facts.permission;
  }
}

export function hasToken() {
  return token !== undefined;
}

/** @param {string} value @param {boolean} keep Until the tab is closed. */
export function useToken(value, keep) {
  token = value;
  refused.clear();
  try {
    if (keep) sessionStorage.setItem(STORAGE_KEY, value);
    else sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // Storage may be turned off; memory does.
  }
}

export function forgetToken() {
  token = undefined;
  refused.clear();
  try {
    sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // As above.
  }
}

/**
 * Why something cannot be done, as far as is known: the API tells what a token lacks when it is
 * asked, not before.
 *
 * @param {string} permission
 * @returns {string | undefined}
 */
export function refusal(permission) {
  if (!refused.has(permission)) return undefined;
  return token === undefined
    ? `Needs a token with ${permission}`
    : `This token lacks ${permission}`;
}

/**
 * Asks and gives the answer, whatever its type.
 *
 * @param {string} path
 * @param {{ method?: string, signal?: AbortSignal, headers?: Record<string, string> }} [options]
 * @returns {Promise<Response>}
 * @throws {ApiFailure}
 */
export async function request(path, { method = "GET", signal, headers = {} } = {}) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiFailure(0, "The agent does not answer");
  }
  if (response.ok) return response;
  throw await failureOf(response);
}

/**
 * Asks for JSON.
 *
 * @param {string} path
 * @param {{ method?: string, signal?: AbortSignal }} [options]
 * @returns {Promise<any>}
 * @throws {ApiFailure}
 */
export async function ask(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new ApiFailure(0, "The answer broke off");
  }
}

/** @param {Response} response */
async function failureOf(response) {
  /** @type {{ error?: unknown, code?: unknown, hint?: unknown }} */
  const body = await response.json().catch(() => ({}));
  const message = typeof body.error === "string" ? body.error : `Status ${response.status}`;
  const permission = response.status === 403
    ? /permission '([^']+)'/.exec(message)?.[1]
    : undefined;
  if (permission !== undefined) refused.add(permission);
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new ApiFailure(response.status, message, {
    ...(typeof body.code === "string" ? { code: body.code } : {}),
    ...(typeof body.hint === "string" ? { hint: body.hint } : {}),
    ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
    ...(permission === undefined ? {} : { permission }),
  });
}

function read() {
  try {
    return sessionStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

/** @param {unknown} error @returns {ApiFailure} */
export function asFailure(error) {
  if (error instanceof ApiFailure) return error;
  return new ApiFailure(0, error instanceof Error ? error.message : String(error));
}
