/** Which pods an external stage1 image runs. Few imports: every command about a pod asks it. */
import { exists } from "../../linux/exists.ts";
import type { PodView } from "../directory/pod_directory.ts";

/** Files of such a pod, below its directory, by rkt 1.30's names: the image's manifest, and the ID of its tree. */
export const STAGE1_MANIFEST = "stage1/manifest";
export const STAGE1_TREE = "stage1TreeStoreID";

/** Where what is written to the image's files goes. An app can't be called so. */
export const STAGE1_LAYERS = "overlay/.stage1";

/** The image's files where there is no overlayfs. */
export const STAGE1_COPY = "stage1/copy";

/** Where the settings of an app are, in a form that a shell can read. */
export const appSettings = (app: string): string => `stage1/rootfs/rkt/apps/${app}`;

/** Whether a pod is run by an external stage1 image. */
export const isExternal = ({ path }: Pick<PodView, "path">): boolean =>
  exists(`${path}/${STAGE1_TREE}`);
