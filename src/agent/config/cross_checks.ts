/**
 * What one key alone does not show: duplicate ids, secrets that are named twice, unsafe addresses.
 */
import { isIP } from "node:net";
import { nearest } from "../../sigma/suggest.ts";
import type { ConfigProblem } from "./problems.ts";
import type { CheckedConfig, CheckedNats, CheckedSink, CheckedSource } from "./schema.ts";
import type { Environment } from "./secret.ts";
import { isLocalAddress, parseApiAddress } from "./settings.ts";
import { envReferences } from "./settings_nats.ts";
import { type ConfigNode, type KeyPath, nearestNode, pathText } from "./tree.ts";

const BUILT_IN_ROLES = ["reader", "operator", "ingest", "admin"];

/** Everything that is wrong or odd about a configuration whose keys are each right. */
export function crossCheck(
  config: CheckedConfig,
  root: ConfigNode,
  env: Environment,
): readonly ConfigProblem[] {
  const checks = new CrossChecks(config, root, env);
  checks.run();
  return checks.problems;
}

class CrossChecks {
  readonly problems: ConfigProblem[] = [];
  readonly #config: CheckedConfig;
  readonly #root: ConfigNode;
  readonly #env: Environment;

  constructor(config: CheckedConfig, root: ConfigNode, env: Environment) {
    this.#config = config;
    this.#root = root;
    this.#env = env;
  }

  run(): void {
    this.#checkIds("sources", this.#config.sources);
    this.#checkIds("sinks", this.#config.sinks);
    this.#checkRules();
    this.#checkApi();
    this.#checkAuth();
    this.#checkEgress();
    this.#checkNats(this.#config.nats, ["nats"]);
    this.#config.sources.forEach((source, at) => {
      const path = ["sources", at];
      if (source.type === "nats" && source.nats !== undefined) {
        this.#checkNats(source.nats, [...path, "nats"]);
      }
      if (source.type === "http" && !this.#config.api.enabled) {
        this.#error(path, "an http source needs the API", "set api.enabled: true");
      }
      if (source.type === "otlp") this.#checkOtlpSource(source, path);
    });
    this.#checkListeners();
    if (this.#config.sources.filter(({ type }) => type === "stdin").length > 1) {
      this.#error(["sources"], "stdin can only be read by one source");
    }
    this.#config.sinks.forEach((sink, at) => this.#checkSink(sink, ["sinks", at]));
    const dead = this.#config.dead_letters.sink;
    if (dead !== undefined) this.#checkSink(dead, ["dead_letters", "sink"]);
    if (this.#config.sinks.length === 0 && this.#config.webhooks.length === 0) {
      this.#warn(["sinks"], "there are no sinks: alerts go nowhere", "add one under sinks:");
    }
    if (this.#config.sources.length === 0) {
      this.#warn(["sources"], "there are no sources: nothing is read", "add one under sources:");
    }
    const { batch_size: batch, buffer_size: buffer } = this.#config.limits;
    if (batch > buffer) {
      this.#warn(["limits", "batch_size"], `is larger than limits.buffer_size: ${buffer} is used`);
    }
  }

  #checkIds(
    section: "sources" | "sinks",
    members: readonly { readonly id?: string | undefined }[],
  ): void {
    const seen = new Map<string, number>();
    members.forEach(({ id }, at) => {
      if (id === undefined) return;
      const before = seen.get(id);
      if (before === undefined) seen.set(id, at);
      else this.#error([section, at, "id"], `'${id}' is also the id of ${section}[${before}]`);
    });
  }

  #checkRules(): void {
    const { embedded, paths } = this.#config.rules;
    if (embedded === false && paths.length === 0) {
      this.#error(
        ["rules", "embedded"],
        "there would be no rules at all",
        "name some in rules.paths",
      );
    }
  }

  #checkApi(): void {
    const { addr, enabled, tls } = this.#config.api;
    if ((tls.cert === undefined) !== (tls.key === undefined)) {
      const missing = tls.cert === undefined ? "cert" : "key";
      this.#error(["api", "tls"], `${missing} is missing: cert and key only work together`);
    }
    if (tls.client_ca !== undefined && tls.cert === undefined) {
      this.#error(["api", "tls", "client_ca"], "needs cert and key");
    }
    const address = parseApiAddress(addr);
    if (address === undefined) {
      this.#error(["api", "addr"], "must be address:port or unix:///path", suggestAddress(addr));
    } else if (address.kind === "unix" && tls.cert !== undefined) {
      this.#error(["api", "tls"], "a Unix socket has no TLS", "remove api.tls");
    } else if (
      enabled && !isLocalAddress(address) && tls.cert === undefined && !tls.allow_plaintext
    ) {
      this.#error(
        ["api", "addr"],
        "refusing to bind plaintext on non-loopback address",
        "set api.tls.cert and api.tls.key, or api.tls.allow_plaintext: true",
      );
    }
  }

  /** daemon.md, section 4.4. */
  #checkAuth(): void {
    const { roles, tokens } = this.#config.api.auth;
    const known = [...BUILT_IN_ROLES, ...Object.keys(roles)];
    for (const role of Object.keys(roles)) {
      if (BUILT_IN_ROLES.includes(role)) {
        this.#error(["api", "auth", "roles", role], "is a built-in role", "choose another name");
      }
    }
    const names = new Set<string>();
    tokens.forEach((token, at) => {
      const path = ["api", "auth", "tokens", at];
      if (names.has(token.name)) {
        this.#error([...path, "name"], `duplicate token name '${token.name}'`);
      }
      names.add(token.name);
      if (token.role !== undefined && token.permissions !== undefined) {
        this.#error(
          path,
          `token '${token.name}' sets both role and permissions`,
          "use one of them",
        );
      } else if (token.role === undefined && token.permissions === undefined) {
        this.#error(path, `token '${token.name}' needs a role or a list of permissions`);
      } else if (token.role !== undefined && !known.includes(token.role)) {
        this.#error(
          [...path, "role"],
          `token '${token.name}' references unknown role '${token.role}'`,
          suggestion(token.role, known),
        );
      }
      this.#checkSecret(token, "token", path, true);
    });
  }

  #checkEgress(): void {
    for (const key of ["allow_cidrs", "deny_cidrs"] as const) {
      this.#config.egress[key].forEach((written, at) => {
        if (isCidr(written)) return;
        this.#error(
          ["egress", key, at],
          "must be an address with a prefix length, like 10.0.0.0/8",
        );
      });
    }
  }

  #checkNats(nats: CheckedNats, path: KeyPath): void {
    for (const key of ["name", "inbox_prefix"] as const) {
      this.#checkEnvironment(nats[key], [...path, key]);
      if (nats[key] !== undefined && /\$\{[^}]*[^A-Z0-9_}]/.test(nats[key])) {
        this.#error([...path, key], "only ${ENV_VAR} can be replaced here");
      }
    }
    const { auth } = nats;
    if (auth === undefined) return;
    const at = [...path, "auth"];
    for (const name of ["token", "password", "nkey_seed"] as const) {
      this.#checkSecret(auth, name, at, false);
    }
    const hasSeed = auth.nkey_seed_env !== undefined || auth.nkey_seed_file !== undefined;
    const hasPassword = auth.password_env !== undefined || auth.password_file !== undefined;
    const methods = [
      auth.creds_file !== undefined && "creds_file",
      (auth.token_env !== undefined || auth.token_file !== undefined) && "token",
      (auth.user !== undefined || hasPassword) && "user",
      (hasSeed || auth.jwt_file !== undefined) &&
      (auth.jwt_file === undefined ? "nkey_seed" : "jwt_file"),
    ].filter((method) => method !== false);
    if (methods.length > 1) {
      this.#error(at, `has ${methods.join(" and ")}`, "use exactly one method");
    }
    if (hasPassword !== (auth.user !== undefined)) {
      this.#error(
        at,
        "user and password only work together",
        hasPassword ? "add user" : "add password_env or password_file",
      );
    }
    if (auth.jwt_file !== undefined && !hasSeed) {
      this.#error(at, "jwt_file needs the seed", "add nkey_seed_env or nkey_seed_file");
    }
  }

  #checkSink(sink: CheckedSink, path: KeyPath): void {
    switch (sink.type) {
      case "stdout":
      case "file":
      case "unix":
        return;
      case "nats":
        if (sink.nats !== undefined) this.#checkNats(sink.nats, [...path, "nats"]);
        this.#checkSubject(sink.subject, [...path, "subject"]);
        return;
      case "http":
        this.#checkHttp(sink, path);
        return;
      case "otlp":
        this.#checkRequests(sink, sink.endpoint, "endpoint", path);
    }
  }

  #checkOtlpSource(source: Extract<CheckedSource, { type: "otlp" }>, path: KeyPath): void {
    const { http, grpc, tls, allow_plaintext: plaintext } = source;
    if (http === undefined && grpc === undefined && !this.#config.api.enabled) {
      this.#error(path, "nothing listens", "name http or grpc, or set api.enabled: true");
    }
    for (const [key, written] of [["http", http], ["grpc", grpc]] as const) {
      if (written === undefined) continue;
      const address = parseApiAddress(written);
      const example = key === "http" ? "127.0.0.1:4318" : "127.0.0.1:4317";
      if (address?.kind !== "tcp") {
        this.#error([...path, key], "must be address:port", `write ${example}`);
      } else if (!isLocalAddress(address) && tls === undefined && plaintext !== true) {
        this.#error(
          [...path, key],
          "refusing to bind plaintext on non-loopback address",
          "set tls.cert and tls.key of the source, or its allow_plaintext: true",
        );
      }
    }
  }

  /** Two that listen at one port: the second to start could not. */
  #checkListeners(): void {
    const { api, sources } = this.#config;
    const places: [written: string, path: KeyPath][] = [];
    if (api.enabled) places.push([api.addr, ["api", "addr"]]);
    sources.forEach((source, at) => {
      if (source.type !== "otlp") return;
      if (source.http !== undefined) places.push([source.http, ["sources", at, "http"]]);
      if (source.grpc !== undefined) places.push([source.grpc, ["sources", at, "grpc"]]);
    });
    const taken = new Map<string, KeyPath>();
    for (const [written, path] of places) {
      const address = parseApiAddress(written);
      if (address?.kind !== "tcp" || address.port === 0) continue;
      const key = `${address.host} ${address.port}`;
      const before = taken.get(key);
      if (before === undefined) taken.set(key, path);
      else {
        this.#error(
          path,
          `${written} is also ${pathText(before)}`,
          "needs a port of its own: 4318 for HTTP and 4317 for gRPC are usual",
        );
      }
    }
  }

  #checkSubject(subject: string, path: KeyPath): void {
    this.#checkEnvironment(subject, path);
    const references = [...subject.matchAll(/\$\{([^}]*)\}/g)].map((match) => match[1]!);
    for (const reference of references) {
      if (/^[A-Z_][A-Z0-9_]*$/.test(reference)) continue;
      const label = /^label\.([\w.-]+)$/.exec(reference)?.[1];
      if (label !== undefined) {
        this.#checkLabel(label, path);
        continue;
      }
      if (SUBJECT_REFERENCES.includes(reference)) continue;
      const written = `\${${reference}}`;
      const moved = reference.replace(/^result\.(?:rule\.)?/, "alert.").replace(
        "alert.id",
        "alert.rule_id",
      );
      const near = nearest(moved, SUBJECT_REFERENCES);
      this.#error(
        path,
        `has the unknown reference ${written}`,
        near === undefined
          ? `known: ${SUBJECT_REFERENCES.join(", ")}, label.NAME`
          : `did you mean \${${near}}?`,
      );
    }
    const rest = subject.replace(/\$\{[^}]*\}/g, "x");
    if (/[*>]/.test(rest)) this.#error(path, "must not contain wildcards: it is published to");
    else if (rest.split(".").some((token) => token === "") || rest.includes("${")) {
      this.#error(path, "is not a NATS subject");
    }
  }

  /** A label that only some sources set is the operator's choice. */
  #checkLabel(label: string, path: KeyPath): void {
    const known = new Set(Object.keys(this.#config.agent.labels));
    for (const { labels } of this.#config.sources) {
      for (const name of Object.keys(labels ?? {})) known.add(name);
    }
    if (known.has(label)) return;
    const near = nearest(label, known);
    const hint = near === undefined ? `add it under agent.labels` : `did you mean '${near}'?`;
    this.#warn(path, `label '${label}' is not set anywhere`, hint);
  }

  #checkHttp(sink: Extract<CheckedSink, { type: "http" }>, path: KeyPath): void {
    const { mode, body, signing } = sink;
    this.#checkRequests(sink, sink.url, "url", path);
    if (mode === "template" && body === undefined) {
      this.#error(path, "mode template needs a body");
    } else if (mode !== "template" && body !== undefined) {
      this.#error([...path, "body"], "is only sent in mode template", "add mode: template");
    }
    if (signing === undefined) return;
    const at = [...path, "signing"];
    this.#checkSecret(signing, "secret", at, true);
    this.#checkSecret(signing, "rotate_secret", at, false);
    const rotates = signing.rotate_secret_env ?? signing.rotate_secret_file;
    if (signing.scheme === "github" && rotates !== undefined) {
      this.#error(at, "scheme github knows no second secret");
    }
    if ((signing.scheme === "custom") !== (signing.custom !== undefined)) {
      this.#error(at, "scheme 'custom' and the block 'custom' belong together");
    }
    if (signing.custom !== undefined) {
      this.#checkTokens(signing.custom.value_format, ["signature", "timestamp", "id"], [
        ...at,
        "custom",
        "value_format",
      ]);
      this.#checkTokens(signing.custom.signed_payload, ["body", "timestamp", "id"], [
        ...at,
        "custom",
        "signed_payload",
      ]);
      if (!signing.custom.value_format.includes("{signature}")) {
        this.#error([...at, "custom", "value_format"], "must contain {signature}");
      }
      const header = signing.custom.signature_header.toLowerCase();
      if (Object.keys(sink.headers ?? {}).some((name) => name.toLowerCase() === header)) {
        this.#error([...at, "custom", "signature_header"], "is also one of headers");
      }
    }
  }

  /** What all sinks that send requests have in common. */
  #checkRequests(
    sink: Extract<CheckedSink, { type: "http" | "otlp" }>,
    url: string,
    key: string,
    path: KeyPath,
  ): void {
    const { proxy } = sink;
    this.#checkSecret(sink, "bearer", path, false);
    if (!/^(?:https?:\/\/|\$\{)/i.test(url)) {
      this.#error([...path, key], "must begin with https:// or http://");
    }
    if (proxy !== undefined && !/^(?:env|none|https?:\/\/.+)$/.test(proxy)) {
      this.#error([...path, "proxy"], "must be env, none, or a URL like http://proxy:3128");
    }
    for (const [name, value] of Object.entries(sink.headers ?? {})) {
      if (isSecretHeader(name) && !String(value).includes("${")) {
        this.#warn(
          [...path, "headers", name],
          "holds a secret in the open",
          "use bearer_env or bearer_file, or ${ENV_VAR}",
        );
      }
    }
  }

  #checkTokens(text: string, known: readonly string[], path: KeyPath): void {
    for (const [whole, name] of text.matchAll(/\{([^}]*)\}?/g)) {
      if (whole.endsWith("}") && known.includes(name!)) continue;
      this.#error(
        path,
        "has an unknown token",
        `known: ${known.map((one) => `{${one}}`).join(", ")}`,
      );
      return;
    }
  }

  #checkSecret(
    keys: Readonly<Record<string, unknown>>,
    name: string,
    path: KeyPath,
    required: boolean,
  ): void {
    const given = [`${name}_env`, `${name}_file`].filter((key) => keys[key] !== undefined);
    if (given.length > 1) this.#error(path, `has ${given.join(" and ")}`, "use one of them");
    if (required && given.length === 0) {
      this.#error(path, `has no ${name}`, `add ${name}_env or ${name}_file`);
    }
  }

  #checkEnvironment(text: string | undefined, path: KeyPath): void {
    for (const name of text === undefined ? [] : envReferences(text)) {
      if (this.#env[name]) continue;
      this.#error(path, `environment variable ${name} is unset or empty`);
    }
  }

  #error(path: KeyPath, message: string, hint?: string): void {
    this.#add("error", path, message, hint);
  }

  #warn(path: KeyPath, message: string, hint?: string): void {
    this.#add("warning", path, message, hint);
  }

  #add(severity: ConfigProblem["severity"], path: KeyPath, message: string, hint?: string): void {
    const node = nearestNode(this.#root, path);
    this.problems.push({
      severity,
      path: node.writtenAs ?? pathText(path),
      message,
      ...(hint === undefined ? {} : { suggestion: hint }),
      // The whole file is no place for a key that is not there.
      origin: node === this.#root ? { kind: "default" } : node.origin,
    });
  }
}

const SUBJECT_REFERENCES = [
  "agent.id",
  "agent.host",
  "alert.level",
  "alert.rule_id",
  "source.id",
];

function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? `known: ${known.join(", ")}` : `did you mean '${near}'?`;
}

function suggestAddress(written: string): string {
  const port = /:([0-9]{1,5})$/.exec(written)?.[1] ?? (/^[0-9]{1,5}$/.exec(written)?.[0]);
  return `write 127.0.0.1:${port ?? "9090"}`;
}

function isCidr(written: string): boolean {
  const [address, prefix, ...more] = written.split("/");
  const family = isIP(address!);
  if (family === 0 || more.length > 0) return false;
  if (prefix === undefined) return true;
  return /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** Headers whose values are secrets. */
export function isSecretHeader(name: string): boolean {
  return /authorization|cookie|token|secret|api[-_]?key|password|signature/i.test(name);
}
