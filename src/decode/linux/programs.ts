/**
 * The programs whose messages are known, and what their messages tell of the logsource.
 */
import type { ImpliedLogsource } from "../../event/event.ts";
import { ACCOUNT } from "./account.ts";
import { CRON } from "./cron.ts";
import { CLAMAV, FTPD, GUACD, NAMED, SYSTEMD, VSFTPD, XINETD } from "./daemon.ts";
import { searchKernel } from "./kernel.ts";
import { searchPam, searchPamText } from "./pam.ts";
import { type PatternMatch, patternSearch, type PatternTable } from "./pattern.ts";
import { DOAS, LOGIN, LOGIND, PKEXEC, POLKIT, SU } from "./session.ts";
import { searchSshd } from "./sshd.ts";
import { searchSudo } from "./sudo.ts";

/** What a message of a known program is. */
export interface SearchResult {
  /** `undefined` if the text is none of those that are known. */
  readonly match: PatternMatch | undefined;
  readonly logsource: ImpliedLogsource;
  /** Of a program that starts commands of others: the path it has on most systems. */
  readonly image?: string | undefined;
}

/** One program, by whatever names it logs. */
interface Program {
  /** Finds what a message is; what PAM modules write has been tried before. */
  search(message: string): SearchResult;
  /** What a message that a PAM module wrote tells. */
  readonly pamLogsource: ImpliedLogsource;
  /** What any message tells; `undefined` if that depends on the message. */
  readonly onlyLogsource?: ImpliedLogsource | undefined;
}

interface ProgramOptions {
  readonly search?: (message: string) => PatternMatch | undefined;
  /** Of events that `search` may find. Default: none. */
  readonly categories?: ReadonlySet<string>;
  readonly image?: string;
}

const NO_CATEGORIES: ReadonlySet<string> = new Set();
const LINUX = "linux";

/** One object for each combination, since engines remember what they worked out for it. */
const logsources = new Map<string, ImpliedLogsource>();

function logsourceOf(
  product: string | undefined,
  services: readonly string[],
  category: string | undefined,
): ImpliedLogsource {
  const unique = new Set(services);
  const key = [product, [...unique].sort().join(), category].join("|");
  let logsource = logsources.get(key);
  if (logsource === undefined) {
    logsource = {
      ...(product === undefined ? {} : { product }),
      services: unique,
      categories: category === undefined ? NO_CATEGORIES : new Set([category]),
    };
    logsources.set(key, logsource);
  }
  return logsource;
}

function program(services: readonly string[], options: ProgramOptions = {}): Program {
  const { search, image, categories = NO_CATEGORIES } = options;
  const plain = logsourceOf(LINUX, services, undefined);
  const byCategory = new Map<string, ImpliedLogsource>();
  const withCategory = (category: string): ImpliedLogsource => {
    let logsource = byCategory.get(category);
    if (logsource === undefined) {
      byCategory.set(category, logsource = logsourceOf(LINUX, services, category));
    }
    return logsource;
  };
  const pamLogsource = logsourceOf(LINUX, [...services, "auth"], undefined);
  return {
    pamLogsource,
    onlyLogsource: categories.size === 0 && pamLogsource === plain ? plain : undefined,
    search(message) {
      const match = search?.(message);
      const category = match?.pattern.category;
      return { match, logsource: category === undefined ? plain : withCategory(category), image };
    },
  };
}

/** A program that other systems have as well: its messages tell no product. */
function shared(services: readonly string[]): Program {
  const logsource = logsourceOf(undefined, services, undefined);
  return {
    pamLogsource: logsourceOf(undefined, [...services, "auth"], undefined),
    search: () => ({ match: undefined, logsource }),
  };
}

/** The kernel of macOS logs under the same name: what is not known to be Linux has no product. */
function kernel(): Program {
  const services = ["kernel", "syslog"];
  const plain = logsourceOf(LINUX, services, undefined);
  const firewall = logsourceOf(LINUX, services, "firewall");
  const unknown = logsourceOf(undefined, services, undefined);
  return {
    pamLogsource: plain,
    search(message) {
      const { match, isLinux } = searchKernel(message);
      if (!isLinux) return { match, logsource: unknown };
      return { match, logsource: match?.pattern.category === "firewall" ? firewall : plain };
    },
  };
}

const table = (patterns: PatternTable): ProgramOptions => ({
  search: patternSearch(patterns),
  categories: new Set(
    Object.values(patterns).flat().flatMap(({ category }) =>
      category === undefined ? [] : [category]
    ),
  ),
});
const auth = (name: string, options?: ProgramOptions): Program =>
  program([name, "auth", "syslog"], options);
const accounts = (name: string): Program => auth(name, table(ACCOUNT));
const daemon = (service: string, options?: ProgramOptions): Program =>
  program([service, "syslog"], options);

const COMMANDS: ReadonlySet<string> = new Set(["process_creation"]);
const SSHD_PROGRAM = auth("sshd", { search: searchSshd });
const cron = (image: string): Program => program(["cron", "syslog"], { ...table(CRON), image });
const CRON_PROGRAM = cron("/usr/sbin/cron");
const SYSTEMD_PROGRAM = daemon("systemd", table(SYSTEMD));
const CLAMAV_PROGRAM = daemon("clamav", table(CLAMAV));
const XINETD_PROGRAM = daemon("xinetd", table(XINETD));

const ACCOUNT_PROGRAMS = (
  "useradd userdel usermod groupadd groupdel groupmod groupmems gpasswd passwd chpasswd chage chfn " +
  "chsh newusers vipw"
).split(" ");

/**
 * Programs whose texts are not opened, but that only Linux has, so that rules for other systems are
 * not asked.
 */
const UNOPENED = (
  "ModemManager NetworkManager anacron apparmor atd audispd audisp-syslog auditd avahi-daemon " +
  "chronyd containerd dbus-broker dbus-daemon dhclient dhcpcd dockerd dropbear fail2ban.actions " +
  "fail2ban.filter fail2ban-server firewalld gpm ip6tables iptables irqbalance keepalived " +
  "klogd kubelet logrotate multipathd networkd-dispatcher packagekitd rsyslogd run-parts sedispatch " +
  "setroubleshoot snapd sssd syslog-ng tuned udev udevd udisksd unattended-upgrade unix_chkpwd " +
  "wpa_supplicant"
).split(" ");
/**
 * The same for programs that macOS, the BSDs or appliances have as well. Not those of the web: what
 * they log may be requests, for which there are rules by category.
 */
const SHARED = (
  "cups cupsd dovecot exim klogind master nmbd ntpd portmap racoon rpcbind sendmail smbd snmpd sntp " +
  "syslog syslogd telnetd"
).split(" ");

const PROGRAMS: ReadonlyMap<string, Program> = new Map<string, Program>([
  ...UNOPENED.map((name) => [name, daemon(name)] as const),
  ...SHARED.map((name) => [name, shared([name, "syslog"])] as const),
  ["sshd", SSHD_PROGRAM],
  ["sshd-session", SSHD_PROGRAM],
  ["sshd-auth", SSHD_PROGRAM],
  ["sudo", auth("sudo", { search: searchSudo, categories: COMMANDS, image: "/usr/bin/sudo" })],
  ["su", auth("su", table(SU))],
  ["login", auth("login", table(LOGIN))],
  ["doas", auth("doas", { ...table(DOAS), image: "/usr/bin/doas" })],
  ["pkexec", auth("pkexec", { ...table(PKEXEC), image: "/usr/bin/pkexec" })],
  ["polkitd", auth("polkitd", table(POLKIT))],
  ["systemd-logind", auth("systemd-logind", table(LOGIND))],
  ...ACCOUNT_PROGRAMS.map((name) => [name, accounts(name)] as const),
  ["CRON", CRON_PROGRAM],
  ["cron", CRON_PROGRAM],
  ["crontab", CRON_PROGRAM],
  ["crond", cron("/usr/sbin/crond")],
  ["kernel", kernel()],
  ["systemd", SYSTEMD_PROGRAM],
  ["vsftpd", daemon("vsftpd", table(VSFTPD))],
  ["clamd", CLAMAV_PROGRAM],
  ["clamav", CLAMAV_PROGRAM],
  ["clamscan", CLAMAV_PROGRAM],
  ["clamav-milter", CLAMAV_PROGRAM],
  ["freshclam", CLAMAV_PROGRAM],
  ["guacd", daemon("guacamole", table(GUACD))],
  ["xinetd", XINETD_PROGRAM],
  ["ftpd", daemon("ftpd", table(FTPD))],
  ["named", daemon("named", table(NAMED))],
]);

/** systemd's helpers, of which there are more with each version. */
const SYSTEMD_HELPER = daemon("systemd");
const POSTFIX = shared(["postfix", "syslog"]);
/** Programs that nothing is known of but that a PAM module writes in their name. */
const UNKNOWN: Program = program(["syslog"]);

/** The program of a name in syslog; there may be a path before it. */
function programOf(name: string): Program | undefined {
  const known = PROGRAMS.get(name);
  if (known !== undefined) return known;
  if (name.startsWith("systemd-")) return SYSTEMD_HELPER;
  if (name.startsWith("postfix/")) return POSTFIX;
  if (!name.startsWith("/")) return undefined;
  const base = name.slice(name.lastIndexOf("/") + 1);
  return PROGRAMS.get(base);
}

/** What every message of a program tells; `undefined` if its text decides, or nobody knows it. */
export function onlyLogsource(name: string): ImpliedLogsource | undefined {
  return programOf(name)?.onlyLogsource;
}

/** `sshd(pam_unix)`, as systems before 2007 named the module. */
const WITH_MODULE = /^([^()]{1,48})\((pam_\w{1,40})\)$/;

/** @returns `undefined` for a program that is not known. */
export function searchMessage(name: string, message: string): SearchResult | undefined {
  const known = programOf(name);
  const pam = searchPam(message);
  if (pam !== undefined) {
    return { match: pam.match, logsource: (known ?? UNKNOWN).pamLogsource };
  }
  if (known !== undefined) return known.search(message);
  const module = name.endsWith(")") ? WITH_MODULE.exec(name) : null;
  if (module === null) return undefined;
  const { pamLogsource } = programOf(module[1]!) ?? UNKNOWN;
  return { match: searchPamText(message), logsource: pamLogsource };
}
