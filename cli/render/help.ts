/**
 * How `--help` describes options.
 */
import type { Option } from "commander";

/** The description with choices and default; a default of nothing goes without saying. */
export function optionDescription({ description, argChoices, defaultValue }: Option): string {
  const notes = [
    ...(argChoices === undefined ? [] : [argChoices.join(", ")]),
    ...(typeof defaultValue === "string" || typeof defaultValue === "number"
      ? [`default: ${defaultValue}`]
      : []),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join("; ")})`;
}
