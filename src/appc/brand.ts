declare const brand: unique symbol;

/**
 * A string that passed a constructor's checks and is therefore not just any string. The property
 * exists for the type checker only.
 */
export type Branded<Name extends string> = string & { readonly [brand]: Name };
