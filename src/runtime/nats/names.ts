/**
 * Names and subjects of NATS.
 */

/**
 * The name of a stream or consumer for a subject: `name("picket", "edge.win.>")` is
 * `picket-edge-win`. Different subjects may give the same name.
 *
 * @see spec/delivery.md, section 3.6
 */
export function derivedName(prefix: string, subject: string): string {
  return `${prefix}-${subject.replace(/[.>*]/g, "-").replace(/-+$/, "")}`;
}

/** Whether a stream or consumer may be called so. */
export function isName(name: string): boolean {
  return name !== "" && !/[\s.*>/\\\p{C}]/u.test(name);
}

/** Whether `subject` can be subscribed to: tokens, `*` for one, `>` for the rest. */
export function isSubscription(subject: string): boolean {
  const tokens = subject.split(".");
  return !/[\s\p{C}]/u.test(subject) &&
    tokens.every((token, at) =>
      token !== "" && (!/[*>]/.test(token) || token === "*" ||
        (token === ">" && at === tokens.length - 1))
    );
}

/** Longest token that a value becomes; servers take 4 KiB for a whole line of protocol. */
const MAX_TOKEN = 200;

/** A value as (part of) one token of a subject; empty ones become `none`. */
export function subjectToken(value: string): string {
  return value === "" ? "none" : value.slice(0, MAX_TOKEN).replace(/[\s.*>\p{C}]/gu, "_");
}
