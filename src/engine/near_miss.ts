/**
 * How far a rule is from matching an event: the fewest items that would have to turn out otherwise.
 */
import type {
  ArrayNode,
  ConditionNode,
  DetectionNode,
  ItemNode,
  RuleExplanation,
  SelectionNode,
} from "./explain.ts";

/** An item in the way of a match. */
export interface Blocker {
  readonly selection: string;
  /** The filter the selection belongs to. */
  readonly filter?: string;
  /** `false`: it holds, and must not. */
  readonly wanted: boolean;
  readonly node: ItemNode | ArrayNode;
  /** The member of an array it was tried on. */
  readonly member?: number;
}

/** The shortest way from an event to a match. */
export interface NearMiss {
  /** Items in the way, and dimensions of the logsource that do not fit. 0 for a match. */
  readonly missing: number;
  /** Items on that way that do hold: of two rules equally far, the one with more is nearer. */
  readonly held: number;
  readonly blockers: readonly Blocker[];
}

const NO_WAY: NearMiss = { missing: Infinity, held: 0, blockers: [] };
const DONE: NearMiss = { missing: 0, held: 0, blockers: [] };

/** Works out the shortest way to a match; items are taken to be independent of each other. */
export function nearMiss(explanation: RuleExplanation): NearMiss {
  const { logsource, conditions, filters = [] } = explanation;
  const own = nearest(conditions.map((condition) => conditionWay(condition, true)));
  const filtered = filters.map(({ title, conditions: tried }) => {
    const way = nearest(tried.map((condition) => conditionWay(condition, true)));
    return { ...way, blockers: way.blockers.map((blocker) => ({ ...blocker, filter: title })) };
  });
  const all = together([own, ...filtered]);
  const foreign = logsource.by_absence === true ? 1 : logsource.mismatched.length;
  return { ...all, missing: all.missing + foreign };
}

/** Negative if `left` is nearer than `right`. */
export function compareWays(left: NearMiss, right: NearMiss): number {
  // Not by difference: both may be infinite.
  if (left.missing !== right.missing) return left.missing < right.missing ? -1 : 1;
  return right.held - left.held;
}

/** The way to make a condition hold, or with `wanted` false, to make it not hold. */
function conditionWay(node: ConditionNode, wanted: boolean): NearMiss {
  switch (node.type) {
    case "selection":
      return selectionWay(node, wanted);
    case "not":
      return conditionWay(node.child, !wanted);
    case "and":
    case "or": {
      const ways = node.children.map((child) => conditionWay(child, wanted));
      return (node.type === "and") === wanted ? together(ways) : nearest(ways);
    }
    case "quantified": {
      const { need, branches } = node;
      // So many branches must hold, or must not hold.
      const enough = wanted ? need : branches.length - need + 1;
      const ways = branches.map((branch) => selectionWay(branch, wanted)).sort(compareWays);
      if (enough > ways.length) return NO_WAY;
      return together(ways.slice(0, Math.max(0, enough)));
    }
  }
}

function selectionWay(
  { name, detection }: Omit<SelectionNode, "type">,
  wanted: boolean,
): NearMiss {
  const way = detectionWay(detection, wanted);
  return { ...way, blockers: way.blockers.map((blocker) => ({ ...blocker, selection: name })) };
}

function detectionWay(node: DetectionNode, wanted: boolean): NearMiss {
  switch (node.type) {
    case "keywords":
      return itemWay(node.item, wanted);
    case "all_of": {
      const ways = node.items.map((item) => itemWay(item, wanted));
      return wanted ? together(ways) : nearest(ways);
    }
    case "any_of":
    case "and": {
      const ways = node.branches.map((branch) => detectionWay(branch, wanted));
      return (node.type === "and") === wanted ? together(ways) : nearest(ways);
    }
    case "array":
      return arrayWay(node, wanted);
  }
}

function itemWay(node: ItemNode, wanted: boolean): NearMiss {
  // That something unwanted is absent says nothing about how near the event is.
  if (node.matched === wanted) return wanted ? { missing: 0, held: 1, blockers: [] } : DONE;
  return { missing: 1, held: 0, blockers: [{ selection: "", wanted, node }] };
}

function arrayWay(node: ArrayNode, wanted: boolean): NearMiss {
  if (node.matched === wanted) return wanted ? { missing: 0, held: 1, blockers: [] } : DONE;
  const one: NearMiss = { missing: 1, held: 0, blockers: [{ selection: "", wanted, node }] };
  if (!wanted || node.quantifier === "none") return one;
  const ways = node.members.map((member) => {
    const way = member.detection === undefined
      ? nearest((member.conditions ?? []).map((condition) => conditionWay(condition, true)))
      : detectionWay(member.detection, true);
    const blockers = way.blockers.map((blocker) => ({ ...blocker, member: member.index }));
    return { ...way, blockers };
  });
  if (ways.length === 0) return one;
  const way = node.quantifier === "any" ? nearest(ways) : together(ways);
  return { ...way, missing: way.missing + (node.quantifier === "any" ? 0 : node.omitted ?? 0) };
}

function together(ways: readonly NearMiss[]): NearMiss {
  return {
    missing: ways.reduce((sum, way) => sum + way.missing, 0),
    held: ways.reduce((sum, way) => sum + way.held, 0),
    blockers: ways.flatMap((way) => way.blockers),
  };
}

function nearest(ways: readonly NearMiss[]): NearMiss {
  let best = NO_WAY;
  for (const way of ways) if (compareWays(way, best) < 0) best = way;
  return best;
}
