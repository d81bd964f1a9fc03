/**
 * The failures of the agent's parts: sources, sinks, state, configuration.
 */
import { PicketError } from "../event/errors.ts";
import type { RuleProblem } from "../sigma/rule.ts";

/** Rules could not be loaded, or the engine could not be replaced. */
export class RuntimeError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "RuntimeError";
  /** `RULES_UNUSABLE`: there are no rules to evaluate with. */
  readonly code: "RULES_UNUSABLE" | "RUNTIME_CLOSED" | "RUNTIME_OPTION";
  /** What is wrong with which rule, where the rules are to blame; empty otherwise. */
  readonly problems: readonly RuleProblem[];

  /** @param message What was to be done, then what kept it from being done. */
  constructor(
    code: RuntimeError["code"],
    message: string,
    options: ErrorOptions & { readonly problems?: readonly RuleProblem[] } = {},
  ) {
    super(message, options);
    this.code = code;
    this.problems = options.problems ?? [];
  }
}

/**
 * A source cannot be read now. Whoever drives it tries again with the position committed last, after
 * a pause; `SOURCE_CONFIG` says that a retry only helps after somebody has changed something.
 */
export class SourceError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "SourceError";
  /** `SOURCE_DENIED`: access rights; `SOURCE_CONFIG`: settings; `SOURCE_IO`: anything else. */
  readonly code: "SOURCE_IO" | "SOURCE_DENIED" | "SOURCE_CONFIG";

  /** @param message What was to be done, then what kept it from being done. */
  constructor(code: SourceError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why a sink did not take an alert, which decides what becomes of it. */
export type DeliveryFailure =
  /** Connection, timeout, 408, 425, 429, 5xx, no publish acknowledgement: retried for ever. */
  | "transient"
  /** 401, 403, authorization violation, TLS handshake: the sink pauses, the spool stays. */
  | "auth"
  /** 404, 405, 410, redirect, denied address, subject without a stream: the same. */
  | "config"
  /** 400, 413, 422, too large, not serialisable: this one alert goes to the dead letters. */
  | "poison";

/** A sink did not take its alerts. */
export class DeliveryError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "DeliveryError";
  /** `failure` as a code. */
  readonly code:
    | "DELIVERY_TRANSIENT"
    | "DELIVERY_AUTH"
    | "DELIVERY_CONFIG"
    | "DELIVERY_POISON";
  /** What becomes of the alert. */
  readonly failure: DeliveryFailure;
  /** How long the far end asked to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The far end has decided, and must not be asked again, not even for one alert alone. */
  readonly isFinal: boolean;

  /** @param message What was to be done, then what kept it from being done; no secrets. */
  constructor(
    failure: DeliveryFailure,
    message: string,
    options: ErrorOptions & {
      readonly retryAfterMs?: number | undefined;
      readonly isFinal?: boolean;
    } = {},
  ) {
    super(message, options);
    this.failure = failure;
    this.retryAfterMs = options.retryAfterMs;
    this.isFinal = options.isFinal ?? false;
    this.code = CODES[failure];
  }
}

const CODES = {
  transient: "DELIVERY_TRANSIENT",
  auth: "DELIVERY_AUTH",
  config: "DELIVERY_CONFIG",
  poison: "DELIVERY_POISON",
} as const;

/**
 * The state file did not take a change; nothing of it has happened.
 *
 * `STATE_FULL`: no room on the disk, or the outbox is at its bound and may not drop.
 * `STATE_BUSY`: another process holds it. `STATE_VERSION`: written by a newer Picket.
 */
export class StateError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "StateError";
  /** See above. */
  readonly code: "STATE_FULL" | "STATE_IO" | "STATE_BUSY" | "STATE_VERSION";

  /** @param message What was to be done, then what kept it from being done. */
  constructor(code: StateError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
