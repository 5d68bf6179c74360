/** rkt's version: in `rkt version`, in pod manifests (`acVersion`) and in the HTTP user agent. */
export const RKT_VERSION = "2.0.0";

/** A digest of the program, which scripts/build.ts puts here; absent where rkt runs from its sources. */
export const BUILD: string | undefined = ((stamp) => stamp.startsWith("@") ? undefined : stamp)(
  "@BUILD@",
);
