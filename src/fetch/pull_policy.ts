/**
 * When an image is looked for outside the store: `new`, if the store lacks it; `never`; `update`, always, by asking
 * whether there is a newer one (`--pull-policy`).
 */
export type PullPolicy = "new" | "never" | "update";
