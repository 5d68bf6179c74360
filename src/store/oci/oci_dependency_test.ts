/** App Container Images that depend on OCI images: the index is what extraction makes, and copies nothing. */
import assert from "node:assert/strict";
import { bytesSource } from "../../aci/bytes/source.ts";
import {
  archive,
  directory,
  entry,
  hardlink,
  joined,
  manifest,
} from "../../aci/testing/archive_fixture.ts";
import { treeLines } from "../../erofs/testing/mounted_index.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { openLocalSource } from "../../oci/open_source.ts";
import { BlobFixture } from "../../oci/testing/layout_fixture.ts";
import { imageGraph } from "../image_graph.ts";
import { renderInto } from "../render_tree.ts";
import { Store } from "../store.ts";
import { detachTrees } from "../tree/mount_tree.ts";

const BASE = archive(
  directory("bin"),
  entry({ path: "bin/tool", mode: 0o4755, uid: 7 }, "the tool\n"),
  hardlink("bin/other-name", "bin/tool"),
  directory("etc"),
  entry({ path: "etc/removed" }, "x"),
  entry({ path: "etc/replaced" }, "of the base\n"),
);
/** Without padding, as umoci writes it. */
const UPPER = joined(
  entry({ path: "etc/.wh.removed" }),
  hardlink("etc/tool", "bin/tool"),
  entry({ path: "etc/last" }, "the end").subarray(0, 512 + 7),
);

const dependency = (whitelist: readonly string[]) =>
  archive(
    manifest(JSON.stringify({
      acKind: "ImageManifest",
      acVersion: "0.8.11",
      name: "example.com/above",
      labels: [{ name: "os", value: "linux" }, { name: "arch", value: "amd64" }],
      dependencies: [{ imageName: "example.com/base" }],
      ...whitelist.length > 0 && { pathWhitelist: whitelist },
    })),
    directory("rootfs"),
    directory("rootfs/etc", { mode: 0o700 }),
    entry({ path: "rootfs/etc/replaced" }, "of the ACI\n"),
    entry({ path: "rootfs/own" }, "own\n"),
  );

for (
  const whitelist of [[], ["/etc", "/etc/tool", "/etc/replaced", "/own", "/bin/other-name", "/bin"]]
) {
  Deno.test({
    name: `the tree of an ACI on an OCI image is an index: ${
      whitelist.length === 0 ? "all of it" : "some paths"
    }`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      const place = Deno.makeTempDirSync({ prefix: "rkt-dependency-" });
      const store = new Store(`${place}/data`);
      try {
        const fixture = new BlobFixture();
        await fixture.writeLayout(`${place}/layout`, [
          fixture.image([BASE, UPPER], { config: { config: { WorkingDir: "/made/here" } } }),
        ]);
        {
          await using source = await openLocalSource(
            { kind: "layout", path: `${place}/layout` },
            { temporaryDirectory: place, maxBytes: 1 << 20 },
          );
          await store.importOci(source, { title: { name: "example.com/base" }, references: [] });
        }
        const image = await store.importAci(bytesSource("above.aci", dependency(whitelist)));
        const { kind, rootfs, id } = await store.tree(image);
        assert.equal(kind, "erofs");
        Deno.mkdirSync(`${place}/extracted`);
        const graph = await imageGraph(store, image);
        const extracted = await renderInto(store.dataDir, `${place}/extracted`, graph);
        const implied = new Set(
          treeLines(rootfs, new Set()).flatMap((line) =>
            / 40755 0:0 0\.0 /.test(line) ? [line.slice(1, line.indexOf('" '))] : []
          ),
        );
        const lines = treeLines(rootfs, implied);
        assert.deepEqual(lines, treeLines(`${extracted}/rootfs`, implied));
        assert(lines.some((line) => line.includes('"etc/tool"')), lines.join("\n"));
        assert(!lines.some((line) => line.includes("removed")));
        assert.equal(Deno.readTextFileSync(`${rootfs}/etc/replaced`), "of the ACI\n");
        // Hard links to the archives of both kinds.
        const names = [...Deno.readDirSync(`${store.dataDir}/cas/tree/${id}`)].map((e) => e.name);
        assert.deepEqual(names.sort(), ["1", "2", "3", "index.erofs"]);
      } finally {
        detachTrees(store.dataDir, () => true);
        deleteTree(place, "unmount");
      }
    },
  });
}
