/**
 * The property list that makes the agent a daemon of macOS, as text.
 *
 * @see launchd.plist(5)
 */
import type { ServiceTarget } from "./target.ts";

/** The label of the daemon; `Picket` and `picket` give the usual one. */
export function launchdLabel(name: string): string {
  return name.toLowerCase() === "picket" ? "io.picket.agent" : `io.picket.${name}`;
}

/** Where launchd writes what the agent says. */
export const MAC_LOG = "/Library/Logs/Picket/picket.log";

export function launchdPlist({ name, executable, config }: ServiceTarget): string {
  const strings = [executable, "run", "--config", config]
    .map((text) => `    <string>${escapeXml(text)}</string>`).join("\n");
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${escapeXml(launchdLabel(name))}</string>
  <key>ProgramArguments</key>
  <array>
${strings}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ExitTimeOut</key>
  <integer>45</integer>
  <key>Umask</key>
  <integer>23</integer>
  <key>StandardErrorPath</key>
  <string>${escapeXml(MAC_LOG)}</string>
</dict>
</plist>
`;
}

/** Text as XML content. Control characters, which XML 1.0 cannot say, become `?`. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"'\p{Cc}\ufffe\uffff]/gu, (character) => ENTITIES[character] ?? "?");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&quot;",
  "'": "&apos;",
  "\t": "&#9;",
};
