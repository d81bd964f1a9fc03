/**
 * A thread that compiles one rule set and ends: YAML must not stop an agent for seconds.
 */
import { parentPort } from "node:worker_threads";
import { compileRuleSet, type RuleSetRequest } from "../src/runtime/rule_set.ts";

const port = parentPort;
port?.once("message", (request: RuleSetRequest) => {
  try {
    port.postMessage({ compiled: compileRuleSet(request) });
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
  port.close();
});
