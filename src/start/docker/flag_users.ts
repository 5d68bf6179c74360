/** Users that flags name, in OCI images: their groups are those that the image knows, as for docker's `--user`. */
import { isOciImageId } from "../../appc/image_id.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { imageUser } from "../../oci/image_users.ts";
import { ImageRoot } from "../../../stage1/resolve/user.ts";
import type { AppRequest } from "../request.ts";
import type { ImageTrees } from "./image_volumes.ts";

/**
 * Gives apps whose user a flag names that user's own group, and all others that the image's group file gives it. A user that
 * the image does not know has the group 0. What flags say of groups stays, and a path stands for an owner, not for a user.
 *
 * @param apps what was asked for, in the manifest's order
 */
export function flagUsers(
  manifest: PodManifest,
  apps: readonly AppRequest[],
  { tree, looked }: ImageTrees,
): PodManifest {
  return {
    ...manifest,
    apps: manifest.apps.map((app, i) => {
      const { user, group, supplementaryGIDs } = apps[i] ?? {};
      const isName = user !== undefined && !user.startsWith("/");
      if (!isName || app.app === undefined || !isOciImageId(app.image.id)) return app;
      using root = new ImageRoot(tree(app.name), looked);
      const found = imageUser({ user }, (path) => root.read(path));
      return {
        ...app,
        app: {
          ...app.app,
          group: group ?? found.group,
          supplementaryGIDs: supplementaryGIDs ??
            (group === undefined ? found.supplementaryGIDs : []),
        },
      };
    }),
  };
}
