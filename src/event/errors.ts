/**
 * The base of every coded error. It stands in the lowest room, so that every room can extend it.
 */

/** Base of the failures Picket expects; an error without a `code` is a bug. */
export abstract class PicketError extends Error {
  abstract override readonly name: string;
  abstract readonly code: string;
}
