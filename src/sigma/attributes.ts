/**
 * Custom attributes that mean something to Picket: `rsigma.<name>`, or `picket.<name>`.
 *
 * @see sigma-rules.md, section 21
 */
import type { Value } from "../event/value.ts";
import type { RuleMetadata } from "./rule.ts";

type WithAttributes = Pick<RuleMetadata, "customAttributes">;

/** The value of an attribute by its name without the prefix; `picket.` outranks `rsigma.`. */
export function ruleAttribute(rule: WithAttributes, name: string): Value | undefined {
  for (const key of [`picket.${name}`, `rsigma.${name}`]) {
    if (Object.hasOwn(rule.customAttributes, key)) return rule.customAttributes[key];
  }
  return undefined;
}

/** Whether the rule asks for the event in its results. The reference took the text only. */
export function includesEvent(rule: WithAttributes): boolean {
  const value = ruleAttribute(rule, "include_event");
  return value === true || value === "true";
}
