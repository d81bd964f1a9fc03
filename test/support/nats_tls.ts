/**
 * A certificate authority of the test's own, and JWTs as a NATS operator signs them.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export const OPENSSL_SKIP: string | false =
  ["/usr/bin/openssl", "/usr/local/bin/openssl", "/bin/openssl"].some((path) => existsSync(path))
    ? false
    : "openssl is not installed";
if (OPENSSL_SKIP !== false) console.log(`skipped: ${OPENSSL_SKIP}`);

/** PEM files. */
export interface TestPki {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Makes a CA, a server certificate for `names` (`DNS:hub.test`, `IP:127.0.0.1`) and one for a client. */
export async function makePki(directory: string, names: readonly string[]): Promise<TestPki> {
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...ec,
    ...["-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2", "-subj", "/CN=Picket test CA"],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  );
  const sign = async (name: string, subject: string, extension: string) => {
    await writeFile(at(`${name}.ext`), extension);
    openssl(
      "req",
      ...ec,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.csr`),
      "-subj",
      subject,
    );
    openssl(
      "x509",
      "-req",
      ...["-in", at(`${name}.csr`), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"],
      ...["-out", at(`${name}.pem`), "-days", "2", "-extfile", at(`${name}.ext`)],
    );
  };
  await sign("server", "/CN=hub", `subjectAltName=${names.join(",")}\n`);
  await sign("client", "/CN=agent", "extendedKeyUsage=clientAuth\n");
  return {
    ca: at("ca.pem"),
    serverCert: at("server.pem"),
    serverKey: at("server.key"),
    clientCert: at("client.pem"),
    clientKey: at("client.key"),
  };
}

function jwt(issuer: KeyPair, subject: KeyPair, name: string, nats: object, expires?: number) {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = part({ typ: "JWT", alg: "ed25519-nkey" });
  const claims = part({
    jti: name,
    iat: Math.floor(Date.now() / 1000),
    ...(expires === undefined ? {} : { exp: expires }),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats: { ...nats, version: 2 },
  });
  const signature = issuer.sign(Buffer.from(`${head}.${claims}`));
  return `${head}.${claims}.${Buffer.from(signature).toString("base64url")}`;
}

/** The server's configuration for one operator and account, and a way to make its users. */
export function makeOperator(): {
  readonly config: string;
  /** @param expires Unix seconds. */
  user(expires?: number): { readonly jwt: string; readonly seed: string; readonly creds: string };
} {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1 };
  return {
    config: [
      `operator: ${jwt(operator, operator, "O", { type: "operator" })}`,
      "resolver: MEMORY",
      "resolver_preload: {",
      `  ${account.getPublicKey()}: ${
        jwt(operator, account, "A", { type: "account", limits: { ...limits, wildcards: true } })
      }`,
      "}",
    ].join("\n"),
    user(expires) {
      const user = nkeys.createUser();
      const token = jwt(
        account,
        user,
        "U",
        { type: "user", subs: -1, data: -1, payload: -1 },
        expires,
      );
      const seed = new TextDecoder().decode(user.getSeed());
      return {
        jwt: token,
        seed,
        creds: [
          "-----BEGIN NATS USER JWT-----",
          token,
          "------END NATS USER JWT------",
          "",
          "-----BEGIN USER NKEY SEED-----",
          seed,
          "------END USER NKEY SEED------",
          "",
        ].join("\n"),
      };
    },
  };
}
