/**
 * Signatures of HTTP requests, so that a receiver can tell alerts from forgeries.
 *
 * The id and time that are signed are the alert's own, so a retry signs the same, after a restart too.
 *
 * @see delivery.md, section 12.6
 */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { causeText, HttpError } from "../../runtime/http/errors.ts";
import type { HttpSigning, Secret } from "../../runtime/settings.ts";

/** What is signed. */
export interface Signed {
  readonly id: string;
  /** Unix seconds. */
  readonly timestamp: number;
  /** The bytes that are sent; empty without a body. */
  readonly body: Uint8Array;
}

/** Gives the headers of a request, by their names as configured. */
export type Signer = (signed: Signed) => Readonly<Record<string, string>>;

type Token = "signature" | "timestamp" | "id" | "body";
type Format = readonly (string | { readonly token: Token })[];

/**
 * Checks signing settings; the secrets themselves are read at each request.
 *
 * @param configured Names of headers that are set otherwise, which a signature must not replace.
 * @returns The signer. It throws `HttpError` `HTTP_SETTINGS` if a secret cannot be used.
 * @throws {HttpError} `HTTP_SETTINGS`
 */
export function makeSigner(signing: HttpSigning, configured: Iterable<string>): Signer {
  if (signing.scheme === "github" && signing.rotateSecret !== undefined) {
    fail("scheme 'github' cannot sign with two keys: remove rotate_secret_env");
  }
  const [names, sign] = schemeOf(signing);
  const taken = new Set([...configured].map((name) => name.toLowerCase()));
  for (const name of names) {
    if (taken.has(name.toLowerCase())) {
      fail(`signing header '${name}' collides with a configured header`);
    }
  }
  return (signed) => sign(signed, keysOf(signing));
}

type Sign = (signed: Signed, keys: readonly Buffer[]) => Record<string, string>;

/** The headers that a scheme sets, and how. */
function schemeOf(signing: HttpSigning): readonly [readonly string[], Sign] {
  switch (signing.scheme) {
    case "standard":
      return [
        ["webhook-id", "webhook-timestamp", "webhook-signature"],
        ({ id, timestamp, body }, keys) => ({
          "webhook-id": id,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": keys.map((key) =>
            `v1,${
              createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")
            }`
          ).join(" "),
        }),
      ];
    case "github":
      return [["X-Hub-Signature-256"], ({ body }, keys) => ({
        "X-Hub-Signature-256": `sha256=${
          createHmac("sha256", keys[0]!).update(body).digest("hex")
        }`,
      })];
    case "custom":
      return customScheme(signing);
  }
}

function customScheme(
  signing: Extract<HttpSigning, { scheme: "custom" }>,
): readonly [readonly string[], Sign] {
  const { signatureHeader, timestampHeader, idHeader } = signing;
  if (signatureHeader.trim() === "") fail("custom.signature_header must not be empty");
  const value = parseFormat(signing.valueFormat, "value_format", ["signature", "timestamp", "id"]);
  const payload = parseFormat(signing.signedPayload, "signed_payload", ["body", "timestamp", "id"]);
  if (!value.some((part) => typeof part !== "string" && part.token === "signature")) {
    fail("custom.value_format must contain the {signature} token");
  }
  const names = [signatureHeader, timestampHeader, idHeader].filter((name) => name !== undefined);
  return [names, (signed, keys) => {
    const texts = { timestamp: String(signed.timestamp), id: signed.id };
    const values = keys.map((key) => {
      const hmac = createHmac(signing.algorithm ?? "sha256", key);
      // Token by token, so that a body which contains `{id}` is signed as it is sent.
      for (const part of payload) {
        if (typeof part === "string") hmac.update(part);
        else if (part.token === "body") hmac.update(signed.body);
        else if (part.token !== "signature") hmac.update(texts[part.token]);
      }
      const signature = hmac.digest(signing.encoding ?? "hex");
      return value.map((part) => {
        if (typeof part === "string") return part;
        return part.token === "signature"
          ? signature
          : part.token === "body"
          ? ""
          : texts[part.token];
      }).join("");
    });
    return {
      [signatureHeader]: values.join(" "),
      ...(timestampHeader === undefined ? {} : { [timestampHeader]: texts.timestamp }),
      ...(idHeader === undefined ? {} : { [idHeader]: texts.id }),
    };
  }];
}

function parseFormat(text: string, name: string, tokens: readonly Token[]): Format {
  const parts: (string | { readonly token: Token })[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("{", at);
    if (open < 0) break;
    const close = text.indexOf("}", open);
    if (close < 0) fail(`unclosed token in custom.${name}`);
    const written = text.slice(open + 1, close);
    const token = tokens.find((one) => one === written);
    if (token === undefined) {
      const valid = tokens.map((one) => `{${one}}`).join(", ");
      fail(`unknown token '{${written}}' in custom.${name} (valid: ${valid})`);
    }
    if (open > at) parts.push(text.slice(at, open));
    parts.push({ token });
    at = close + 1;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

function keysOf({ secret, rotateSecret, secretEncoding }: HttpSigning): readonly Buffer[] {
  const secrets: readonly Secret[] = rotateSecret === undefined ? [secret] : [secret, rotateSecret];
  return secrets.map((read) => {
    let text: string;
    try {
      text = read();
    } catch (error) {
      throw new HttpError("HTTP_SETTINGS", causeText(error), { cause: error });
    }
    return decodeKey(text, secretEncoding ?? "utf8");
  });
}

/**
 * The key that a secret is written for.
 *
 * @param place Where it was read, for errors: ` in 'HUB_SECRET'`.
 * @throws {HttpError} `HTTP_SETTINGS` for what is no base64, or nothing.
 */
export function decodeKey(text: string, encoding: "utf8" | "base64", place = ""): Buffer {
  if (encoding === "utf8") return Buffer.from(text, "utf8");
  const encoded = text.startsWith("whsec_") ? text.slice("whsec_".length) : text;
  // `Buffer.from` skips what it does not know; a typing error must not become another key.
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded)) {
    fail(`secret${place} is not valid base64`);
  }
  const key = Buffer.from(encoded, "base64");
  if (key.length === 0) fail(`signing secret${place} decoded to an empty key`);
  return key;
}

function fail(message: string): never {
  throw new HttpError("HTTP_SETTINGS", message);
}
