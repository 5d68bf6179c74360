/** Why a command or flag can't be used yet; behind "not yet: ". */
export const LATER = {
  images: "it comes with images by name",
  isolation: "it comes with the enforcement of isolators",
  metadata: "it comes with the metadata service",
  flavors: "it comes with other flavors of stage1",
  api: "it comes with the API service",
} as const;
