/**
 * The page at `/ui/`: static files with strict headers. Everything it shows and does goes through the
 * API, with the token of whoever looks at it, so nothing here needs a permission.
 *
 * The files are what a browser gets, byte for byte. They are imported as text, which Bun, Deno and
 * `bun build --compile` all do, so the executable holds them and no build step stands between the
 * sources and the page; `deno check` reads their JSDoc types against `view.ts`. They must be ASCII,
 * which a test checks, since what a tool makes of other characters in a text import is its affair.
 */
import { Hono } from "hono";
import alertDetail from "./page/alert_detail.js" with { type: "text" };
import alertList from "./page/alert_list.js" with { type: "text" };
import api from "./page/api.js" with { type: "text" };
import base from "./page/base.css" with { type: "text" };
import dom from "./page/dom.js" with { type: "text" };
import format from "./page/format.js" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import index from "./page/index.html" with { type: "text" };
import jsonText from "./page/json_text.js" with { type: "text" };
import live from "./page/live.js" with { type: "text" };
import main from "./page/main.js" with { type: "text" };
import parts from "./page/parts.js" with { type: "text" };
import partsStyle from "./page/parts.css" with { type: "text" };
import state from "./page/state.js" with { type: "text" };
import stream from "./page/stream.js" with { type: "text" };
import viewAlerts from "./page/view_alerts.js" with { type: "text" };
import viewAudit from "./page/view_audit.js" with { type: "text" };
import viewConfig from "./page/view_config.js" with { type: "text" };
import viewInputs from "./page/view_inputs.js" with { type: "text" };
import viewOverview from "./page/view_overview.js" with { type: "text" };
import viewReload from "./page/view_reload.js" with { type: "text" };
import viewRules from "./page/view_rules.js" with { type: "text" };
import viewSinks from "./page/view_sinks.js" with { type: "text" };
import views from "./page/views.css" with { type: "text" };
import widths from "./page/widths.css" with { type: "text" };

/** The files by their name below `/ui/`. */
export const UI_FILES: Readonly<Record<string, string>> = {
  "": index,
  "base.css": base,
  "parts.css": partsStyle,
  "views.css": views,
  "widths.css": widths,
  "icon.svg": icon,
  "alert_detail.js": alertDetail,
  "alert_list.js": alertList,
  "api.js": api,
  "dom.js": dom,
  "format.js": format,
  "json_text.js": jsonText,
  "live.js": live,
  "main.js": main,
  "parts.js": parts,
  "state.js": state,
  "stream.js": stream,
  "view_alerts.js": viewAlerts,
  "view_audit.js": viewAudit,
  "view_config.js": viewConfig,
  "view_inputs.js": viewInputs,
  "view_overview.js": viewOverview,
  "view_reload.js": viewReload,
  "view_rules.js": viewRules,
  "view_sinks.js": viewSinks,
};

const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
};

/**
 * What the page may do. Trusted types turn every way of making markup or code out of a string into an
 * error: log data is hostile, and no such place exists in the page.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  // The page and the agent belong together: after an update no browser may show the former page.
  "cache-control": "no-store",
};

/** The application behind `/ui`; see `AdminOptions.ui`. */
export function uiApp(): Hono {
  const app = new Hono();
  app.use("*", async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) context.res.headers.set(name, value);
  });
  app.get("/:name?", (context) => {
    const name = context.req.path.slice(1);
    const text = Object.hasOwn(UI_FILES, name) ? UI_FILES[name] : undefined;
    if (text === undefined) return context.notFound();
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "text/html";
    return context.body(text, 200, { "content-type": `${type}; charset=utf-8` });
  });
  return app;
}
