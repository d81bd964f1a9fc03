/**
 * Rule sets compiled in another thread.
 */
import { Worker } from "node:worker_threads";
import { RuntimeError } from "../src/runtime/errors.ts";
import type { CompiledRuleSet, RuleSetRequest } from "../src/runtime/rule_set.ts";
import { RULES_WORKER_URL } from "./worker_url.ts";

type Answer = { readonly compiled: CompiledRuleSet } | { readonly error: string };

/** A `RuleSetCompiler`: the thread lives as long as the call. */
export function compileInWorker(
  request: RuleSetRequest,
  signal: AbortSignal,
): Promise<CompiledRuleSet> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const worker = new Worker(RULES_WORKER_URL);
    let hasEnded = false;
    // The thread is gone before anybody works with what it made: taking down its heap would compete
    // with the exchange of rules, for which evaluation stands still.
    const end = (settle: () => void): void => {
      if (hasEnded) return;
      hasEnded = true;
      signal.removeEventListener("abort", stop);
      worker.terminate().then(settle, settle);
    };
    const stop = (): void => end(() => reject(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    worker.once("message", (answer: Answer) =>
      end(() => {
        if ("compiled" in answer) resolve(answer.compiled);
        else reject(new RuntimeError("RULES_UNUSABLE", answer.error));
      }));
    worker.once("error", (error) => end(() => reject(error)));
    worker.once(
      "exit",
      () =>
        end(() =>
          reject(new RuntimeError("RULES_UNUSABLE", "the thread that reads rules has ended"))
        ),
    );
    worker.postMessage(request);
  });
}
