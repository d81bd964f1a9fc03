/**
 * The certificate of the API: read, checked, and read again on reload.
 */
import type { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { AdminError } from "./errors.ts";

export interface ServerTlsSettings {
  /** PEM file: the certificate and those between it and the authority. */
  readonly cert: string;
  /** PEM file without a passphrase. */
  readonly key: string;
  /** PEM file; clients must then show a certificate of it. */
  readonly clientCa?: string;
  /** Default `1.3`. */
  readonly minVersion?: "1.2" | "1.3";
}

/** What a listener is made with. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Unix milliseconds. */
  readonly expiresMs: number;
}

/**
 * Reads and checks certificate and key.
 *
 * @throws {AdminError} `ADMIN_TLS`, with the path of the file that is wrong.
 */
export function loadTls(settings: ServerTlsSettings): TlsMaterial {
  const cert = readPem(settings.cert);
  const key = readPem(settings.key);
  const ca = settings.clientCa === undefined ? undefined : readPem(settings.clientCa);
  if (/ENCRYPTED/.test(key)) {
    throw new AdminError(
      "ADMIN_TLS",
      `encrypted private key in ${settings.key} is not supported: decrypt it with openssl pkey`,
    );
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(key)) {
    throw new AdminError("ADMIN_TLS", `no private key found in ${settings.key}`);
  }
  const leaf = certificates(cert, settings.cert)[0]!;
  if (ca !== undefined) certificates(ca, settings.clientCa!);
  let own: KeyObject;
  try {
    own = createPublicKey(createPrivateKey(key));
  } catch (error) {
    throw new AdminError("ADMIN_TLS", `invalid private key ${settings.key}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  // Compared here, since not every runtime does so before the first handshake.
  if (!spki(own).equals(spki(leaf.publicKey))) {
    throw new AdminError(
      "ADMIN_TLS",
      `key ${settings.key} does not fit certificate ${settings.cert}`,
    );
  }
  return {
    cert,
    key,
    ca,
    minVersion: settings.minVersion === "1.2" ? "TLSv1.2" : "TLSv1.3",
    expiresMs: Date.parse(leaf.validTo),
  };
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new AdminError("ADMIN_TLS", `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function certificates(pem: string, path: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new AdminError("ADMIN_TLS", `no certificates found in ${path}`);
  return blocks.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new AdminError(
        "ADMIN_TLS",
        `invalid certificate ${path}: cert #${at + 1}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
