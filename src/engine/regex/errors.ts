/** Why a regular expression of a rule is refused. */
import { PicketError } from "../../event/errors.ts";

/**
 * A `|re` pattern cannot be used.
 *
 * - `REGEX_SYNTAX`: the pattern is not well formed.
 * - `REGEX_UNSUPPORTED`: it needs something no linear-time engine offers, such as look-around.
 * - `REGEX_TOO_LARGE`: it is nested too deeply or counts too far.
 */
export class RegexError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "RegexError";
  /** See above. */
  readonly code: "REGEX_SYNTAX" | "REGEX_UNSUPPORTED" | "REGEX_TOO_LARGE";
  /** Where in the pattern, in UTF-16 units from 0. */
  readonly offset: number;
  /** What is wrong, without saying that it is about a regular expression. */
  readonly reason: string;

  /** Made when rules are read. */
  constructor(code: RegexError["code"], message: string, offset: number) {
    const reason = `${message} (at offset ${offset})`;
    super(`invalid regex pattern: ${reason}`);
    this.code = code;
    this.offset = offset;
    this.reason = reason;
  }
}
