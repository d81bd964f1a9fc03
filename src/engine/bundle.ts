/**
 * Rule bundles: checked rules in a form that loads without YAML.
 *
 * A bundle is one line of JSON that describes it, and a rule store (`rule_store.ts`). Stores are
 * packed also because virus scanners delete rule texts they find on disk.
 *
 * ```text
 * {"picket_bundle":1,"sha256":"…","rules":3752,…}\n<rule store>
 * ```
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, sign, verify } from "node:crypto";
import { PicketError } from "../event/errors.ts";
import { decodeRules, encodeRules, type StoreContent } from "./rule_store.ts";

/** Raised when what a rule object means changes; older executables refuse newer bundles. */
export const BUNDLE_VERSION = 1;

const MAX_HEADER_BYTES = 64 << 10;

/** A bundle that cannot be used. */
export class BundleError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "BundleError";
  /** Not a bundle, of a newer Picket, damaged, or not signed as it must be. */
  readonly code: "BUNDLE_FORMAT" | "BUNDLE_VERSION" | "BUNDLE_DAMAGED" | "BUNDLE_SIGNATURE";

  /** Made by `decodeBundle`. */
  constructor(code: BundleError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The first line of a bundle. */
export interface BundleHeader {
  readonly picket_bundle: number;
  /** Hex SHA-256 of the rule store. */
  readonly sha256: string;
  readonly rules: number;
  readonly correlations: number;
  readonly filters: number;
  /** How many rules of the sources could not be loaded and are missing. */
  readonly skipped: number;
  /** Base64 Ed25519 signature of the 32 bytes that `sha256` spells. */
  readonly signature?: string;
}

/** Whether bytes begin as a bundle does. */
export function isBundle(head: Uint8Array): boolean {
  return Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 32))
    .toString("latin1").startsWith('{"picket_bundle":');
}

/**
 * Packs rules.
 *
 * @param skipped See `BundleHeader`.
 * @param privateKey A PEM-encoded Ed25519 key to sign with.
 * @param packLevel Of gzip.
 */
export function encodeBundle(
  content: StoreContent,
  skipped: number,
  privateKey?: string,
  packLevel: 1 | 9 = 9,
): Uint8Array {
  const { rules, correlations, filters } = content;
  const packed = encodeRules(content, packLevel);
  const digest = createHash("sha256").update(packed).digest();
  const header: BundleHeader = {
    picket_bundle: BUNDLE_VERSION,
    sha256: digest.toString("hex"),
    rules: rules.length,
    correlations: correlations.length,
    filters: filters.length,
    skipped,
    ...(privateKey === undefined
      ? {}
      : { signature: sign(null, digest, privateKey).toString("base64") }),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), packed]);
}

/**
 * Reads what a bundle says about itself, without unpacking it.
 *
 * @throws {BundleError} `BUNDLE_FORMAT` if it is no bundle, `BUNDLE_VERSION` if it is a newer one.
 */
export function readBundleHeader(bytes: Uint8Array): BundleHeader {
  return splitBundle(bytes).header;
}

/**
 * Unpacks a bundle after checking its digest.
 *
 * @param publicKey A PEM-encoded Ed25519 key; given, the bundle must be signed by its owner.
 * @throws {BundleError} `BUNDLE_DAMAGED` if a byte has changed, `BUNDLE_SIGNATURE` if it is not
 *   signed by the owner of the key, and as `readBundleHeader`.
 */
export function decodeBundle(bytes: Uint8Array, publicKey?: string): StoreContent {
  const { header, packed } = splitBundle(bytes);
  const digest = createHash("sha256").update(packed).digest();
  if (digest.toString("hex") !== header.sha256) {
    throw new BundleError("BUNDLE_DAMAGED", "Cannot load rule bundle: its SHA-256 does not match");
  }
  if (publicKey !== undefined) checkSignature(header, digest, publicKey);
  try {
    return decodeRules(packed);
  } catch (error) {
    throw new BundleError("BUNDLE_DAMAGED", "Cannot load rule bundle: it does not unpack", {
      cause: error,
    });
  }
}

function splitBundle(
  bytes: Uint8Array,
): { readonly header: BundleHeader; readonly packed: Uint8Array } {
  const end = bytes.subarray(0, MAX_HEADER_BYTES).indexOf(10);
  if (!isBundle(bytes) || end < 0) {
    throw new BundleError("BUNDLE_FORMAT", "Cannot load rule bundle: the file is not a bundle");
  }
  let header: BundleHeader;
  try {
    header = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString("utf8")) as BundleHeader;
  } catch (error) {
    throw new BundleError("BUNDLE_FORMAT", "Cannot load rule bundle: its header is damaged", {
      cause: error,
    });
  }
  if (header.picket_bundle !== BUNDLE_VERSION) {
    throw new BundleError(
      "BUNDLE_VERSION",
      `Cannot load rule bundle: version ${header.picket_bundle}, this Picket reads ${BUNDLE_VERSION}; ` +
        "build it again with `picket rules bundle build`",
    );
  }
  return { header, packed: bytes.subarray(end + 1) };
}

function checkSignature(header: BundleHeader, digest: Uint8Array, publicKey: string): void {
  if (typeof header.signature !== "string") {
    throw new BundleError("BUNDLE_SIGNATURE", "Cannot load rule bundle: it is not signed");
  }
  const key = createPublicKey(publicKey);
  if (!verify(null, digest, key, Buffer.from(header.signature, "base64"))) {
    throw new BundleError(
      "BUNDLE_SIGNATURE",
      "Cannot load rule bundle: its signature was not made with this key",
    );
  }
}
