/** Reasons why a command or flag can't be used yet, printed behind "not yet: ". */
export const UNSUPPORTED = {
  flavors: "it comes with other flavors of stage1",
} as const;
