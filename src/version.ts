/** rkt's version: in `rkt version`, in pod manifests (`acVersion`) and in the HTTP user agent. */
export const RKT_VERSION = "2.0.0";
