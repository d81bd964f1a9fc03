/**
 * The certificates of a TLS client, read again when their files have changed.
 *
 * A fleet renews certificates while agents run, and not all files of a renewal change at once: a set
 * that does not fit together is not taken while there is an older one that does.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import tls from "node:tls";
import type { TlsSettings } from "../settings.ts";
import { causeText, HttpError } from "./errors.ts";

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export class TlsFiles {
  readonly #settings: TlsSettings;
  #stamp: string | undefined;
  #context: tls.SecureContext | undefined;
  /** Counts the sets that were taken; connections of an older one are not used again. */
  #version = 0;

  constructor(settings: TlsSettings | undefined) {
    this.#settings = settings ?? {};
  }

  /**
   * What to connect with.
   *
   * @throws {HttpError} `HTTP_SETTINGS` for a file that is missing or no PEM, or a key that does not
   *   belong to its certificate, and nothing was read before.
   */
  current(): { readonly context: tls.SecureContext; readonly version: number } {
    let stamp = "";
    try {
      stamp = this.#fileStamp();
      if (this.#context === undefined || stamp !== this.#stamp) {
        this.#context = this.#read();
        this.#version++;
      }
    } catch (error) {
      if (this.#context === undefined) throw error;
    }
    this.#stamp = stamp;
    return { context: this.#context!, version: this.#version };
  }

  /** Reads the files again at the next use, changed or not. */
  reopen(): void {
    this.#stamp = undefined;
  }

  #fileStamp(): string {
    const { ca, cert, key } = this.#settings;
    return [ca, cert, key].map((path) => {
      if (path === undefined) return "";
      try {
        const { mtimeMs, size, ino } = statSync(path);
        return `${mtimeMs}:${size}:${ino}`;
      } catch {
        return "missing"; // Reading it says what is wrong.
      }
    }).join("|");
  }

  #read(): tls.SecureContext {
    const { ca, cert, key } = this.#settings;
    if ((cert === undefined) !== (key === undefined)) {
      throw new HttpError("HTTP_SETTINGS", "tls.cert and tls.key must be set together");
    }
    const options: tls.SecureContextOptions = { minVersion: "TLSv1.2" };
    if (ca !== undefined) options.ca = [...defaultRoots(), ...readCertificates("tls.ca", ca)];
    if (cert !== undefined && key !== undefined) {
      const chain = readCertificates("tls.cert", cert);
      const keyText = readText("tls.key", key);
      // Not every runtime checks this by itself, and a handshake says little about it.
      const fits = attempt(
        () => new X509Certificate(chain[0]!).checkPrivateKey(createPrivateKey(keyText)),
        (cause) => `invalid tls.key PEM: ${cause}`,
      );
      if (!fits) {
        throw new HttpError("HTTP_SETTINGS", `tls.key '${key}' does not belong to '${cert}'`);
      }
      options.cert = chain.join("\n");
      options.key = keyText;
    }
    return attempt(
      () => tls.createSecureContext(options),
      (cause) => `invalid TLS files: ${cause}`,
    );
  }
}

/** The certificates of a PEM file, each checked. `name` is the setting, for errors. */
export function readCertificates(name: string, path: string): string[] {
  const blocks = readText(name, path).match(PEM_CERTIFICATE);
  if (blocks === null) {
    throw new HttpError("HTTP_SETTINGS", `invalid ${name} PEM: no certificate in '${path}'`);
  }
  for (const block of blocks) {
    attempt(() => new X509Certificate(block), (cause) => `invalid ${name} PEM: ${cause}`);
  }
  return blocks;
}

function readText(name: string, path: string): string {
  return attempt(
    () => readFileSync(path, "utf8"),
    (cause) => `failed to read ${name} '${path}': ${cause}`,
  );
}

function attempt<T>(run: () => T, message: (cause: string) => string): T {
  try {
    return run();
  } catch (error) {
    throw new HttpError("HTTP_SETTINGS", message(causeText(error)), { cause: error });
  }
}

/** What the runtime trusts without being told: a `ca` of ours replaces it unless it is repeated. */
function defaultRoots(): readonly string[] {
  return typeof tls.getCACertificates === "function"
    ? tls.getCACertificates("default")
    : tls.rootCertificates;
}
