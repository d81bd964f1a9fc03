/**
 * What `picket doctor` finds.
 */

/** `fail`: the agent cannot do that part of its work. `warn`: it can, but somebody should look. */
export type Verdict = "pass" | "warn" | "fail";

export interface Finding {
  /** What was looked at: `config`, `source auth`, `sink hub`. */
  readonly check: string;
  readonly verdict: Verdict;
  readonly message: string;
  /** What to do about it; with every `warn` and `fail`. */
  readonly fix?: string;
}

/** One look at one thing. */
export interface Check {
  readonly name: string;
  /** May throw anything: that is a failure, too. */
  run(signal: AbortSignal): Promise<readonly Judgement[]> | readonly Judgement[];
}

export type Judgement = Omit<Finding, "check">;

export function pass(message: string): Judgement {
  return { verdict: "pass", message };
}

export function warn(message: string, fix: string): Judgement {
  return { verdict: "warn", message, fix };
}

export function fail(message: string, fix: string): Judgement {
  return { verdict: "fail", message, fix };
}

export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    return "it failed without saying why"; // An object that cannot be made a text.
  }
}

/** A check that hangs must not keep the others from being told. */
export async function runCheck(check: Check, timeoutMs: number): Promise<readonly Finding[]> {
  const limit = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<readonly Judgement[]>((resolve) => {
    timer = setTimeout(() => {
      resolve([
        fail(
          `no answer within ${timeoutMs / 1000} s`,
          "look whether the host is up, and whether a firewall is between",
        ),
      ]);
      limit.abort(new DOMException("The check took too long", "TimeoutError"));
    }, timeoutMs);
  });
  const judged = (async () => await check.run(limit.signal))().catch((error: unknown) => [
    fail(messageOf(error), "see docs/service.md, Troubleshooting"),
  ]);
  try {
    return (await Promise.race([judged, late])).map((one) => ({ check: check.name, ...one }));
  } finally {
    clearTimeout(timer);
    limit.abort(new DOMException("The check is over", "AbortError"));
  }
}
