/// <reference lib="dom" />
/** A type that JSDoc cannot say. Nothing of it reaches the browser. */

/** What an element may hold. */
export type Child = Node | string | number | null | undefined | false | readonly Child[];
