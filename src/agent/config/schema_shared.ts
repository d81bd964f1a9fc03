/**
 * Parts of the configuration that sources and sinks share: TLS and NATS.
 *
 * @see delivery.md, sections 20.8 and 20.9
 */
import { z } from "zod";
import { count, path, secretEnv, secretFile, text, url, wait } from "./schema_values.ts";

const tlsShape = {
  ca: path().optional().describe("PEM file of the certificate authorities to trust"),
  cert: path().optional().describe("PEM file of our certificate; needs key"),
  key: path().optional().describe("PEM file of our private key; needs cert"),
  server_name: text().optional().describe("name to expect in the certificate"),
  insecure: z.boolean().optional().describe("accept any certificate: only for tests"),
};

export const tlsSchema = z.strictObject(tlsShape)
  .refine(hasPair, { error: "cert and key only work together" })
  .describe("TLS as a client");

function hasPair(
  value: { readonly cert?: string | undefined; readonly key?: string | undefined },
): boolean {
  return (value.cert === undefined) === (value.key === undefined);
}

/** `[file, env]` keys of a secret, checked to be given once. */
export function secretKeys<Name extends string>(name: Name): {
  readonly [Key in `${Name}_env` | `${Name}_file`]: z.ZodOptional<z.ZodString>;
} {
  const made = {
    [`${name}_env`]: secretEnv().optional().describe(`environment variable with the ${name}`),
    [`${name}_file`]: secretFile().optional().describe(`file with the ${name}`),
  };
  // A computed key loses its literal type.
  return made as { readonly [Key in `${Name}_env` | `${Name}_file`]: z.ZodOptional<z.ZodString> };
}

export const natsAuthSchema = z.strictObject({
  creds_file: path().optional().describe("credentials file: JWT and NKey seed"),
  ...secretKeys("token"),
  user: text().optional().describe("user name; needs password_env or password_file"),
  ...secretKeys("password"),
  ...secretKeys("nkey_seed"),
  jwt_file: path().optional().describe("file with the JWT; needs nkey_seed_env or nkey_seed_file"),
}).describe("exactly one method: creds, token, user and password, NKey, or JWT and NKey");

const natsShape = {
  servers: z.array(
    url().regex(/^(?:nats|tls):\/\/|^[^:/]+(?::[0-9]+)?$/, {
      error: "must be like nats://host:4222 or tls://host:4222",
    }),
  ).min(1).optional().describe("servers, in any order: nats://host:4222, tls://host:4222"),
  name: text().optional().describe("name of the connection; ${ENV_VAR} is replaced"),
  auth: natsAuthSchema.optional(),
  tls: z.strictObject({
    ...tlsShape,
    required: z.boolean().optional().describe("refuse servers without TLS"),
    first: z.boolean().optional().describe("shake hands before the server has said anything"),
  }).refine(hasPair, { error: "cert and key only work together" }).optional(),
  jetstream: z.strictObject({
    domain: text().optional(),
    api_prefix: text().optional(),
    timeout: wait().optional().describe("of requests to JetStream, default 5s"),
  }).optional(),
  inbox_prefix: text().optional().describe("${ENV_VAR} is replaced"),
  reconnect: z.strictObject({
    wait: wait().optional(),
    max_wait: wait().optional(),
    jitter: wait(0).optional(),
  }).optional(),
  ping: z.strictObject({
    interval: wait().optional(),
    max_out: count(1, 100).optional(),
  }).optional(),
};

/** Shared by all NATS sources and sinks, which may override it key by key. */
export const natsSchema = z.strictObject(natsShape).describe("how to reach NATS");

export const natsAckSchema = z.strictObject({
  policy: z.literal("explicit").optional(),
  wait: wait().optional().describe("default 60s"),
  max_pending: count(1, 1_000_000).optional(),
  max_deliver: count(1, 1_000_000).optional(),
  backoff: z.array(wait()).max(100).optional(),
  double: z.boolean().optional().describe("wait for the server to confirm each acknowledgement"),
});
