/**
 * Opens the listeners that a source of type `otlp` names.
 */
import type { OtlpListeners, OtlpReceiver } from "../../ingest/otlp.ts";
import type { OtlpSourceSettings } from "../../runtime/settings.ts";
import { parseListenAddress } from "../address.ts";
import { isLoopback } from "../auth.ts";
import { type GuardOptions, openGuard, tokenGuard } from "./guard.ts";
import { listenGrpc } from "./grpc_listener.ts";
import { listenHttp, type OtlpListenerOptions } from "./http_listener.ts";

/** How long requests whose records are being committed may still be answered after the end. */
const STOP_GRACE_MS = 6000;
const MAX_CONNECTIONS = 64;

export interface ListenOptions extends GuardOptions {
  readonly allowedHosts?: readonly string[];
  readonly warn: (message: string) => void;
  /** Told where each one listens: `http://127.0.0.1:4318`. */
  readonly onListening?: (transport: "http" | "grpc", url: string) => void;
}

interface Listener {
  readonly url: string;
  reloadTls(): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * Listens where `settings` say; nothing is left open if one of the addresses cannot be used.
 *
 * @throws {AdminError} `ADMIN_ADDRESS`, `ADMIN_PLAINTEXT`, `ADMIN_TLS` or `ADMIN_BIND`.
 */
export async function openOtlpListeners(
  settings: OtlpSourceSettings,
  receiver: OtlpReceiver,
  options: ListenOptions,
): Promise<OtlpListeners> {
  const open: Listener[] = [];
  const close = (): void => {
    for (const listener of open) {
      listener.stop().catch((error: unknown) => options.warn(`OTLP: ${String(error)}`));
    }
  };
  try {
    for (const transport of ["http", "grpc"] as const) {
      const addr = settings[transport];
      if (addr === undefined) continue;
      const listen = transport === "http" ? listenHttp : listenGrpc;
      const listener = await listen(listenerOptions(addr, settings, receiver, options));
      open.push(listener);
      options.onListening?.(transport, listener.url);
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    close,
    reloadTls: async () => {
      const changed = await Promise.all(open.map((listener) => listener.reloadTls()));
      return changed.includes(true);
    },
  };
}

function listenerOptions(
  addr: string,
  settings: OtlpSourceSettings,
  receiver: OtlpReceiver,
  options: ListenOptions,
): OtlpListenerOptions {
  const address = parseListenAddress(addr);
  const isLocal = address.kind === "unix" || isLoopback(address.host);
  const { tls, allowPlaintext = false, requireToken = !isLocal } = settings;
  return {
    addr,
    receiver,
    guard: requireToken ? tokenGuard(options) : openGuard,
    metrics: options.metrics,
    warn: options.warn,
    allowPlaintext,
    maxConnections: settings.maxConnections ?? MAX_CONNECTIONS,
    stopGraceMs: STOP_GRACE_MS,
    ...(tls === undefined ? {} : { tls }),
    ...(options.allowedHosts === undefined ? {} : { allowedHosts: options.allowedHosts }),
  };
}
