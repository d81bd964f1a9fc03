/**
 * Binary XML as a tree: what `evtx_chunk.ts` writes as tokens.
 *
 * The tree can say everything the token stream can (section 5 of the EVTX description), wrong things
 * included: `bytes` stands anywhere and is copied as it is.
 */
import type { EvtxValue } from "./evtx_values.ts";

export interface EvtxAttribute {
  readonly name: string;
  readonly value: readonly EvtxNode[];
}

export interface EvtxElement {
  readonly kind: "element";
  readonly name: string;
  readonly attributes: readonly EvtxAttribute[];
  readonly content: readonly EvtxNode[];
  /** Substitution this element depends on; written in definitions only. */
  readonly dependency?: number;
  /** Damage: this name offset instead of the right one; no record is stored. */
  readonly nameOffset?: number;
}

export interface EvtxTemplate {
  readonly guid: string;
  /** More than one root is an error to readers, so it can be written. */
  readonly roots: readonly EvtxNode[];
  /** Damage: leave out the dependency ids that elements of a definition have. */
  readonly noDependencies?: boolean;
}

export interface EvtxInstance {
  readonly kind: "instance";
  readonly template: EvtxTemplate;
  readonly values: readonly EvtxValue[];
  /** Damage: this definition offset instead of the right one; no definition is stored. */
  readonly definitionOffset?: number;
  /** Damage: this many values are claimed. */
  readonly declaredCount?: number;
}

export type EvtxNode =
  | EvtxElement
  | EvtxInstance
  /** `more` sets bit 0x40, which says that further content of the element follows. */
  | { readonly kind: "text"; readonly text: string; readonly more?: boolean }
  | { readonly kind: "cdata"; readonly text: string }
  | { readonly kind: "charRef"; readonly unit: number }
  | { readonly kind: "entityRef"; readonly name: string; readonly more?: boolean }
  | { readonly kind: "instruction"; readonly target: string; readonly data: string }
  | {
    readonly kind: "slot";
    readonly index: number;
    readonly type: number;
    readonly optional: boolean;
  }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/** An element; attributes as `{ name: text or nodes }`. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | EvtxNode | readonly EvtxNode[]>> = {},
  content: readonly EvtxNode[] = [],
): EvtxElement {
  return {
    kind: "element",
    name,
    attributes: Object.entries(attributes).map(([key, value]) => ({
      name: key,
      value: attributeNodes(value),
    })),
    content,
  };
}

function attributeNodes(value: string | EvtxNode | readonly EvtxNode[]): readonly EvtxNode[] {
  if (typeof value === "string") return [text(value)];
  return "kind" in value ? [value] : value;
}

export function text(value: string): EvtxNode {
  return { kind: "text", text: value };
}

/** A substitution that stays, empty, when its value is empty. */
export function normal(index: number, type: number): EvtxNode {
  return { kind: "slot", index, type, optional: false };
}

/** A substitution that vanishes when its value is empty. */
export function optional(index: number, type: number): EvtxNode {
  return { kind: "slot", index, type, optional: true };
}

export function instance(template: EvtxTemplate, values: readonly EvtxValue[]): EvtxInstance {
  return { kind: "instance", template, values };
}

export function template(guid: string, ...roots: readonly EvtxNode[]): EvtxTemplate {
  return { guid, roots };
}

export function bytes(...values: readonly number[]): EvtxNode {
  return { kind: "bytes", bytes: Uint8Array.from(values) };
}
