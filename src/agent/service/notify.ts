/**
 * Messages to systemd about this process: `sd_notify` without libsystemd.
 *
 * @see sd_notify(3): lines of `NAME=value` in a datagram to the socket that `NOTIFY_SOCKET` names
 */
import { execFile } from "node:child_process";
import process from "node:process";
import type { Environment } from "../config/secret.ts";
import { bunFfi } from "./bun_ffi.ts";

/** Sends what concerns this process to the service manager. */
export interface Notifier {
  /** How the messages go: through a socket of our own, or another program. */
  readonly via: "socket" | "systemd-notify";
  /** Sends lines such as `READY=1`; whether they have left. Never waits and never throws. */
  send(lines: readonly string[]): boolean;
}

const AF_UNIX = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOCK_DGRAM_CLOEXEC = 0x80002;
/** `sun_path` of Linux. */
const MAX_PATH_BYTES = 108;

/**
 * The way to systemd; `undefined` if it did not start us, or not for notifications.
 *
 * @param env `NOTIFY_SOCKET`: an absolute path, or `@` and a name of Linux's abstract ones.
 */
export function systemdNotifier(env: Environment): Notifier | undefined {
  const path = env["NOTIFY_SOCKET"];
  if (path === undefined || !/^[/@]./.test(path)) return undefined;
  return socketNotifier(path) ?? programNotifier(path);
}

/** `undefined` without Bun on Linux, or for a path that is too long. */
function socketNotifier(path: string): Notifier | undefined {
  const ffi = bunFfi();
  const address = socketAddress(path);
  if (ffi === undefined || address === undefined || process.platform !== "linux") return undefined;
  const { symbols } = ffi.dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  });
  const descriptor = symbols["socket"]!(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (descriptor < 0) return undefined;
  return {
    via: "socket",
    send(lines) {
      const text = new TextEncoder().encode(lines.join("\n"));
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = symbols["sendto"]!(
        descriptor,
        text,
        text.length,
        flags,
        address,
        address.length,
      );
      return Number(sent) === text.length;
    },
  };
}

/**
 * `struct sockaddr_un`; `undefined` if the path does not fit.
 *
 * Its length counts: in an abstract name, which begins with a zero, every byte is significant.
 */
export function socketAddress(path: string): Uint8Array | undefined {
  const name = new TextEncoder().encode(path);
  const isAbstract = path.startsWith("@");
  if (name.length > MAX_PATH_BYTES - (isAbstract ? 0 : 1)) return undefined;
  const address = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1));
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX; // In the byte order of this machine.
  address.set(name, 2);
  if (isAbstract) address[2] = 0;
  return address;
}

/** systemd's own program; it needs `NotifyAccess=all` when it is not the main process. */
function programNotifier(path: string): Notifier {
  return {
    via: "systemd-notify",
    send(lines) {
      const child = execFile("systemd-notify", [`--pid=${process.pid}`, ...lines], {
        env: { ...process.env, NOTIFY_SOCKET: path },
        timeout: 5000,
      }, () => {});
      child.on("error", () => {}); // Not installed: systemd will have to do without.
      return true;
    },
  };
}

/** How often `WATCHDOG=1` is due at the latest, in milliseconds; `undefined`: nobody waits for it. */
export function watchdogMs(env: Environment, pid: number = process.pid): number | undefined {
  const micros = Number(env["WATCHDOG_USEC"]);
  if (!Number.isFinite(micros) || micros <= 0) return undefined;
  const forPid = env["WATCHDOG_PID"];
  return forPid === undefined || Number(forPid) === pid ? micros / 1000 : undefined;
}
