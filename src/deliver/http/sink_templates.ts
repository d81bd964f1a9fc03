/**
 * The templates of an HTTP sink: read once, checked, and rendered for each request.
 */
import { parseUrl } from "../../runtime/http/client.ts";
import { isToken } from "../../runtime/http/client.ts";
import { HttpError } from "../../runtime/http/errors.ts";
import type { AlertKind } from "../../runtime/alert.ts";
import {
  dependsOnAlert,
  escapeJson,
  type Lookup,
  parseTemplate,
  renderTemplate,
  type Template,
  type ValueLookup,
  variable,
} from "../../runtime/template.ts";

export interface TemplateTexts {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface TemplateChecks {
  /** What errors begin with: `webhook 'hub'`. */
  readonly label: string;
  /** The one kind of alerts it is for, if it is for one. */
  readonly kind: AlertKind | undefined;
  /** Requests carry one alert, so values of it can be put in. */
  readonly perAlert: boolean;
  readonly env: Lookup;
}

/** A request as its templates make it. */
export interface Rendered {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

export class SinkTemplates {
  readonly #url: Template;
  readonly #headers: readonly (readonly [string, Template])[];
  readonly #body: Template | undefined;
  readonly #env: Lookup;

  /**
   * @throws {HttpError} `HTTP_SETTINGS`: a reference of the wrong kind or of none, a variable that
   *   is not set, a URL that cannot be one, or one whose host an alert would choose.
   */
  constructor({ url, headers, body }: TemplateTexts, checks: TemplateChecks) {
    this.#env = checks.env;
    this.#url = checked("url", url, checks);
    this.#headers = Object.entries(headers).map(([name, value]) => {
      if (!isToken(name)) fail(checks, `invalid header name '${name}'`);
      return [name, checked(`headers.${name}`, value, checks)];
    });
    this.#body = body === undefined ? undefined : checked("body", body, checks);
    const origins = ["a", "b2"].map((value) => this.#origin(value));
    if (origins.includes(undefined) && !dependsOnAlert(this.#url)) {
      fail(checks, "url is not an http:// or https:// URL");
    }
    if (origins[0] === undefined || origins[0] !== origins[1]) {
      fail(checks, "the scheme, host and port of url must not depend on an alert");
    }
  }

  /** The URL without what comes from an alert; its origin is that of every request. */
  neutralUrl(): string {
    return renderTemplate(this.#url, this.#env, () => "a");
  }

  /**
   * @param values Of the alert; `undefined` for a batch.
   * @throws {HttpError} `HTTP_REQUEST` if the alert's values make a URL or header that is none, or
   *   lead to another host.
   */
  render(values: ValueLookup | undefined): Rendered {
    const url = renderTemplate(this.#url, this.#env, values);
    // `URL` takes line ends out silently.
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x1f\x7f]/.test(url)) {
      throw new HttpError("HTTP_REQUEST", "invalid URL: a line end or such in a value");
    }
    if (parseUrl(url).origin !== this.#origin("a")) {
      throw new HttpError("HTTP_REQUEST", "invalid URL: a value changes where it leads");
    }
    return {
      url,
      headers: Object.fromEntries(
        this.#headers.map(([name, value]) => [name, renderTemplate(value, this.#env, values)]),
      ),
      body: this.#body && renderTemplate(this.#body, this.#env, values, escapeJson),
    };
  }

  #origin(value: string): string | undefined {
    const url = URL.parse(renderTemplate(this.#url, this.#env, () => value));
    return url === null || !/^https?:$/.test(url.protocol) ? undefined : url.origin;
  }
}

/** Reads a template and checks its references. */
function checked(field: string, text: string, checks: TemplateChecks): Template {
  const template = parseTemplate(text);
  const expected = "expected ${detection.*}, ${correlation.*}, or ${ENV_VAR}";
  for (const part of template) {
    switch (part.kind) {
      case "text":
        break;
      case "malformed": {
        const message = `malformed template reference '\${${part.reference}}' in field '${field}'`;
        fail(checks, `${message}; ${expected}`);
        break;
      }
      case "env":
        if (variable(part, checks.env) === undefined) {
          const hint = `write \${${part.name}:-} if it may be missing`;
          fail(
            checks,
            `environment variable '${part.name}' in field '${field}' is not set; ${hint}`,
          );
        }
        break;
      case "value": {
        const reference = `template reference '\${${part.reference}}' in field '${field}'`;
        if (!checks.perAlert) fail(checks, `${reference} needs mode: template`);
        const { kind } = checks;
        if (kind !== undefined && part.namespace !== "alert" && part.namespace !== kind) {
          const message = `${reference} is the wrong namespace for a ${kind} webhook`;
          throw new HttpError("HTTP_SETTINGS", `${checks.label} (kind: ${kind}): ${message}`);
        }
        break;
      }
    }
  }
  return template;
}

function fail(checks: TemplateChecks, message: string): never {
  throw new HttpError("HTTP_SETTINGS", `${checks.label}: ${message}`);
}
