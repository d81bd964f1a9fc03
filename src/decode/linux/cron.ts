/**
 * What cron daemons and `crontab` write.
 *
 * @see Debian cron 3.0: misc.c, log_it(); cronie 1.5 to 1.7; anacron 2.3
 */
import type { PatternTable } from "./pattern.ts";

/** `(root) CMD (run-parts /etc/cron.hourly)`, and the same form with other words. */
export const CRON: PatternTable = {
  "*": [
    {
      name: "cron_command",
      regex: /^\(([^)]*)\) CMD \((.*)\)$/s,
      fields: ["User", "CommandLine"],
      category: "process_creation",
    },
    {
      name: "cron_command_ended",
      regex: /^\(([^)]*)\) CMDEND \((.*)\)$/s,
      fields: ["User", "CommandLine"],
    },
    { name: "cron_output", regex: /^\(([^)]*)\) CMDOUT \((.*)\)$/s, fields: ["User", "Output"] },
    {
      name: "crontab_changed",
      regex: /^\(([^)]*)\) (?:REPLACE|END EDIT) \(([^)]*)\)$/,
      fields: ["SubjectUserName", "User"],
    },
    {
      name: "crontab_deleted",
      regex: /^\(([^)]*)\) DELETE \(([^)]*)\)$/,
      fields: ["SubjectUserName", "User"],
    },
    {
      name: "crontab_read",
      regex: /^\(([^)]*)\) (?:LIST|BEGIN EDIT) \(([^)]*)\)$/,
      fields: ["SubjectUserName", "User"],
    },
    {
      name: "crontab_loaded",
      regex: /^\(([^)]*)\) RELOAD \(([^)]*)\)$/,
      fields: ["User", "TargetFilename"],
    },
    {
      name: "cron_refused",
      regex:
        /^\(([^)]*)\) (?:AUTH|FAILED to [^(]{1,80}|ORPHAN|WRONG [^(]{1,80}|BAD [^(]{1,80}) \((.*)\)$/s,
      fields: ["User", "Reason"],
    },
  ],
};
