// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Elements without markup: everything becomes an element or a text node, never parsed HTML.
 *
 * Views build what they want to show and `patch` changes what is there into it, so that focus,
 * selection and scrolling survive the two seconds between one state and the next.
 */
import { pieces, plain } from "./format.js";

/** @typedef {import("./types.ts").Child} Child */
/** @typedef {Record<string, unknown>} Props */

const SVG = "http://www.w3.org/2000/svg";
/** Handlers are properties, which `patch` can carry over and the content policy has no objection to. */
const HANDLERS = ["onclick", "oninput", "onchange", "onkeydown", "onsubmit"];

/**
 * An element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props | null} [props] Attributes; functions and `value` are set as properties. `false` and
 *   `undefined` leave one out, `key` tells siblings apart.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  fill(element, props ?? {}, children);
  return element;
}

/**
 * An SVG element.
 *
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {...Child} children
 */
export function s(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  fill(element, props ?? {}, children);
  return element;
}

/** @param {Element} element @param {Props} props @param {Child[]} children */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false || value === null) continue;
    if (typeof value === "function" || name === "value" || name === "checked") {
      Reflect.set(element, name, value);
    } else if (name === "key") element.setAttribute("data-key", String(value));
    else element.setAttribute(name, value === true ? "" : plain(String(value)));
  }
  element.append(...flat(children));
}

/** @param {readonly Child[]} children @returns {Node[]} */
function flat(children) {
  return children.flatMap((child) => {
    if (child === null || child === undefined || child === false) return [];
    if (Array.isArray(child)) return flat(child);
    return child instanceof Node ? [child] : [document.createTextNode(String(child))];
  });
}

/**
 * Text from logs, rules or errors: what is invisible or turns the writing around is spelled out, and
 * the direction of the text stays inside it.
 *
 * @param {string} text
 */
export function data(text) {
  const parts = pieces(text);
  return h(
    "bdi",
    null,
    parts.map((part) => part.hidden ? h("span", { class: "esc" }, part.text) : part.text),
  );
}

/**
 * Makes `parent` hold `children`, keeping the elements it has where they fit.
 *
 * @param {Element} parent
 * @param {...Child} children
 */
export function patch(parent, ...children) {
  patchChildren(parent, flat(children));
}

/** @param {Element} parent @param {Node[]} wanted */
function patchChildren(parent, wanted) {
  /** @type {Map<string, Element>} */
  const keyed = new Map();
  for (const child of parent.children) {
    const key = child.getAttribute("data-key");
    if (key !== null) keyed.set(key, child);
  }
  let at = parent.firstChild;
  for (const one of wanted) {
    const key = keyOf(one);
    const own = key === null ? at : keyed.get(key) ?? null;
    if (own === null || !isAlike(own, one)) {
      parent.insertBefore(one, at);
      continue;
    }
    patchNode(own, one);
    if (own === at) at = at.nextSibling;
    else parent.insertBefore(own, at);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** @param {Node} node */
function keyOf(node) {
  return node instanceof Element ? node.getAttribute("data-key") : null;
}

/** @param {Node} own @param {Node} wanted */
function isAlike(own, wanted) {
  return own.nodeName === wanted.nodeName && keyOf(own) === keyOf(wanted);
}

/** @param {Node} own @param {Node} wanted */
function patchNode(own, wanted) {
  if (own === wanted) return;
  if (own instanceof Text) {
    if (own.data !== wanted.textContent) own.data = wanted.textContent ?? "";
    return;
  }
  if (!(own instanceof Element) || !(wanted instanceof Element)) return;
  for (const { name } of [...own.attributes]) {
    // Which details are open is up to the reader.
    if (!wanted.hasAttribute(name) && name !== "open") own.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (own.getAttribute(name) !== value && name !== "open") own.setAttribute(name, value);
  }
  for (const name of HANDLERS) Reflect.set(own, name, Reflect.get(wanted, name));
  if (isField(own) && isField(wanted)) {
    if (own !== document.activeElement && own.value !== wanted.value) own.value = wanted.value;
    if (own instanceof HTMLInputElement && wanted instanceof HTMLInputElement) {
      own.checked = wanted.checked;
    }
    if (own instanceof HTMLSelectElement) return;
  }
  patchChildren(own, [...wanted.childNodes]);
}

/** @param {Element} element @returns {element is HTMLInputElement | HTMLSelectElement} */
function isField(element) {
  return element instanceof HTMLInputElement || element instanceof HTMLSelectElement;
}
