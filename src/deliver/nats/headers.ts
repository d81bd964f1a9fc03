/**
 * The headers an operator adds to alerts.
 */
import { headers as newHeaders } from "@nats-io/transport-node";
import type { Alert } from "../../runtime/alert.ts";
import { DeliveryError } from "../../runtime/errors.ts";
import { describeFailure } from "../../runtime/nats/failure.ts";
import type { NatsSinkSettings } from "../../runtime/settings.ts";
import { headerTemplate, type TemplateScope } from "./template.ts";

/** The sink's own; another value would break delivery or mislead readers. */
const RESERVED = /^(?:nats-|content-(?:type|encoding)$)/i;

/** @throws {DeliveryError} `config` for names that cannot be set and unknown references. */
export function headerTemplates(
  settings: NatsSinkSettings,
  scope: TemplateScope,
): ReadonlyMap<string, (alert: Alert) => string> {
  const templates = new Map<string, (alert: Alert) => string>();
  if (settings.expectedSequence === true) {
    templates.set("Picket-Level", ({ level }) => level ?? "none");
  }
  for (const [name, text] of Object.entries(settings.headers ?? {})) {
    try {
      newHeaders().set(name, "x");
      if (RESERVED.test(name)) throw new Error("the sink sets it itself");
    } catch (cause) {
      throw new DeliveryError(
        "config",
        `Cannot set header ${JSON.stringify(name)}: ${describeFailure(cause)}`,
        { cause },
      );
    }
    templates.set(name, headerTemplate(text, scope));
  }
  return templates;
}
