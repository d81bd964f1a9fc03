/**
 * The base of every coded error. It stands in the lowest room, so that every room can extend it.
 */

/** Base of the failures Picket expects; an error without a `code` is a bug. */
export abstract class PicketError extends Error {
  /** The class, also where it has been minified. */
  abstract override readonly name: string;
  /** From the closed set of the class; for programs, as the message is for people. */
  abstract readonly code: string;
}
