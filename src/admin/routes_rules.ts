/**
 * Routes about rules and their reload.
 */
import { z } from "zod";
import { ApiError, notFound } from "./errors.ts";
import {
  flag,
  jsonWithEtag,
  levelParameter,
  page,
  paged,
  pageOf,
  pageParameters,
} from "./params.ts";
import { defineRoute, json, type Route } from "./route.ts";
import type { Services } from "./services.ts";
import {
  type ReloadResult,
  reloadResult,
  ruleDetail,
  ruleFailure,
  type RuleInfo,
  ruleInfo,
} from "./view.ts";

/** How long `wait` waits. */
const RELOAD_WAIT_MS = 30_000;
/** Failures in the answer of `/rules`; all of them are in the list with `status=failed`. */
const MAX_RULE_ERRORS = 100;

const counts = {
  detection_rules: z.int(),
  correlation_rules: z.int(),
  failed_rules: z.int(),
  rules_path: z.string(),
  rule_errors: z.array(ruleFailure),
};
const waitedReload = z.object({
  status: z.enum(["reloaded", "failed", "dry_run", "reload_running", "reload_triggered"]),
  ...reloadResult.partial().shape,
});

export function ruleRoutes(services: Services): Route[] {
  const { view } = services;
  return [
    listRoute(services),
    defineRoute({
      method: "GET",
      path: "/api/v1/rules/{id}",
      summary: "One rule with its source",
      permission: "rules:read",
      class: "control",
      responses: {
        200: { description: "The rule", schema: ruleDetail },
        304: { description: "Unchanged" },
        404: { description: "No such rule" },
      },
      handle: ({ request, params }) => {
        const rule = view.rule(params["id"]!);
        if (rule === undefined) throw notFound("rule", params["id"]!);
        return jsonWithEtag(request, rule);
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/reload",
      summary: "Read rules, configuration and certificates again",
      permission: "reload:execute",
      audited: true,
      class: "stream", // It has a time limit of its own.
      query: z.object({ wait: flag.optional(), dry_run: flag.optional() }),
      responses: {
        200: { description: "Queued; or done, with `ok` and what changed", schema: waitedReload },
        202: { description: "Still running after 30 s", schema: waitedReload },
        429: { description: "Enough reloads are queued" },
      },
      handle: ({ query, caller }) => {
        const dryRun = query.dry_run === true;
        if (dryRun || query.wait === true) return reloadNow(services, dryRun, caller.signal);
        if (view.requestReload()) return json({ status: "reload_triggered" });
        throw new ApiError(429, "busy", "a reload is already pending", {
          facts: { status: "reload_already_pending" },
          headers: { "retry-after": "1" },
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/reloads",
      summary: "The last 20 reloads, newest first",
      permission: "reload:read",
      class: "control",
      query: z.object(pageParameters),
      responses: { 200: { description: "Reloads", schema: z.object(pageOf(reloadResult)) } },
      handle: ({ query }) => json(paged(view.reloads(), page(query))),
    }),
  ];
}

function listRoute({ view }: Services): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/rules",
    summary: "How many rules there are; with `list=1` which",
    permission: "rules:read",
    class: "control",
    query: z.object({
      list: flag.optional(),
      q: z.string().max(200).optional(),
      level: levelParameter.optional(),
      status: z.enum(["loaded", "failed", "disabled"], {
        error: "expected loaded, failed or disabled",
      }).optional(),
      ...pageParameters,
    }),
    responses: {
      200: {
        description: "Counts and what could not be loaded, and with `list` a page of rules",
        schema: z.object({ ...counts, ...z.object(pageOf(ruleInfo)).partial().shape }),
      },
      304: { description: "Unchanged" },
    },
    handle: ({ request, query }) => {
      const status = view.status();
      const rules = {
        detection_rules: status.detection_rules,
        correlation_rules: status.correlation_rules,
        failed_rules: status.failed_rules,
        rules_path: view.rulesPath(),
        rule_errors: view.ruleErrors().slice(0, MAX_RULE_ERRORS),
      };
      if (query.list !== true) return jsonWithEtag(request, rules);
      const wanted = view.rules().filter((rule) =>
        (query.level === undefined || rule.level === query.level) &&
        (query.status === undefined || rule.status === query.status) &&
        (query.q === undefined || isAbout(rule, query.q.trim().toLowerCase()))
      );
      return jsonWithEtag(request, { ...rules, ...paged(wanted, page(query)) });
    },
  });
}

function isAbout(rule: RuleInfo, text: string): boolean {
  return [rule.title, rule.id, rule.file, ...rule.tags].some((one) =>
    one.toLowerCase().includes(text)
  );
}

async function reloadNow(
  { view }: Services,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<Response> {
  const deadline = AbortSignal.timeout(RELOAD_WAIT_MS);
  let result: ReloadResult;
  try {
    result = await view.reload({ dryRun }, AbortSignal.any([signal, deadline]));
  } catch (error) {
    if (!deadline.aborted || error !== deadline.reason) throw error;
    return json({ status: "reload_running" }, 202);
  }
  return json({ status: dryRun ? "dry_run" : result.ok ? "reloaded" : "failed", ...result });
}
