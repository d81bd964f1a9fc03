/**
 * The value types of BinXML, and which of them a substitution may carry.
 *
 * @see MS-EVEN6, section 2.2.12
 */

export const NULL = 0x00;
export const STRING = 0x01;
export const ANSI_STRING = 0x02;
export const INT8 = 0x03;
export const UINT8 = 0x04;
export const INT16 = 0x05;
export const UINT16 = 0x06;
export const INT32 = 0x07;
export const UINT32 = 0x08;
export const INT64 = 0x09;
export const UINT64 = 0x0a;
export const REAL32 = 0x0b;
export const REAL64 = 0x0c;
export const BOOL = 0x0d;
export const BINARY = 0x0e;
export const GUID = 0x0f;
export const SIZE_T = 0x10;
export const FILETIME = 0x11;
export const SYSTEMTIME = 0x12;
export const SID = 0x13;
export const HEXINT32 = 0x14;
export const HEXINT64 = 0x15;
export const BINXML = 0x21;

/** Set in the type of a value that is a row of values of the type below it. */
export const ARRAY = 0x80;

/** Bytes of one value by type; 0 for those without a natural size, -1 where no value can be read. */
const WIDTHS = new Int8Array(256).fill(-1);
for (const type of [NULL, STRING, ANSI_STRING, BINARY, SIZE_T, SID, BINXML]) WIDTHS[type] = 0;
for (const type of [INT8, UINT8]) WIDTHS[type] = 1;
for (const type of [INT16, UINT16]) WIDTHS[type] = 2;
for (const type of [INT32, UINT32, REAL32, BOOL, HEXINT32]) WIDTHS[type] = 4;
for (const type of [INT64, UINT64, REAL64, FILETIME, HEXINT64]) WIDTHS[type] = 8;
for (const type of [GUID, SYSTEMTIME]) WIDTHS[type] = 16;
// ANSI strings, binary and size_t cannot be told apart in a row, and BinXML has no row.
for (let type = STRING; type <= HEXINT64; type++) {
  const inRow = type !== ANSI_STRING && type !== BINARY && type !== SIZE_T;
  if (inRow) WIDTHS[ARRAY | type] = WIDTHS[type]!;
}

/** Bytes of one value, of one item for arrays: 0 when that depends, -1 for types that cannot be read. */
export function widthOf(type: number): number {
  return WIDTHS[type]!;
}
