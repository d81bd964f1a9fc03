/**
 * What the executable is called and carries; kept apart so that `--version` loads nothing else.
 */
export const VERSION = "0.1.0";

/** The name under which the rule bundle is embedded. */
export const BUNDLE_NAME = "rules.bundle";
