/** Values of D-Bus as TypeScript has them. */

/** A value with its type. */
export interface Variant {
  readonly signature: string;
  readonly value: DBusValue;
}

/**
 * A value: integers of 64 bits are `bigint`s when they were received, arrays of bytes `Uint8Array`s, structs and arrays are
 * arrays, dictionaries arrays of pairs.
 */
export type DBusValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | Variant
  | readonly DBusValue[];

/** A value with its type, for arguments. */
export const variant = (signature: string, value: DBusValue): Variant => ({ signature, value });

export const isVariant = (value: DBusValue): value is Variant =>
  typeof value === "object" && !Array.isArray(value) && "signature" in value;

export const isList = (value: DBusValue): value is readonly DBusValue[] => Array.isArray(value);
