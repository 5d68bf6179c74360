import assert from "node:assert/strict";
import { fileSource } from "../../aci/bytes/source.ts";
import { entry, joined, paxRecord, special } from "../../aci/testing/archive_fixture.ts";
import { mountIndex } from "../../erofs/mount_index.ts";
import { mergeLayers } from "../../layers/merged_tree.ts";
import { readLayer } from "../../layers/read_layer.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import { indexFiles } from "./mount_tree.ts";
import { renderOciIndex } from "./tree_index.ts";

/** Bytes that are never zero. */
const content = (size: number) => Uint8Array.from({ length: size }, (_, i) => 1 + i * 31 % 251);

/** A layer that ends with its last byte of data, as umoci writes it. */
const unpadded = (file: Uint8Array, size: number) =>
  file.subarray(0, file.length - (512 - size % 512) % 512);

const sparse = joined(
  special(
    "x",
    paxRecord("GNU.sparse.map", "0,512,1048576,131172") +
      paxRecord("GNU.sparse.size", "1179748") + paxRecord("GNU.sparse.name", "last"),
  ),
  entry({ path: "x" }, content(512 + 131_172)),
);
const holed = new Uint8Array(1_179_748);
holed.set(content(512 + 131_172).subarray(0, 512));
holed.set(content(512 + 131_172).subarray(512), 1 << 20);

const LASTS: readonly (readonly [name: string, layer: Uint8Array, content: Uint8Array])[] = [
  ["a file of a few bytes", unpadded(entry({ path: "last" }, content(10)), 10), content(10)],
  [
    "a file of several chunks",
    unpadded(entry({ path: "last" }, content(200_000)), 200_000),
    content(200_000),
  ],
  ["a sparse file", unpadded(sparse, 512 + 131_172), holed],
];

for (const method of ["file", "loop"] as const) {
  for (const [name, last, expected] of LASTS) {
    Deno.test({
      name: `an index shows ${name} at the end of an archive without padding, by ${method}`,
      ignore: Deno.uid() !== 0,
      fn: async () => {
        const place = Deno.makeTempDirSync({ prefix: "rkt-tail-" });
        try {
          const layer = `${place}/layer`;
          Deno.writeFileSync(layer, joined(entry({ path: "first" }, content(70_000)), last));
          const { size } = Deno.statSync(layer);
          assert.notEqual(size % 512, 0);
          const { entries } = await readLayer(fileSource(layer));
          const tree = {
            root: mergeLayers([entries]),
            layers: [{ path: layer, isCompressed: false }],
          };
          assert(renderOciIndex(tree, `${place}/tree`));
          // The one copy: nothing of it is written twice but a piece of the last file.
          assert.equal(Deno.statSync(`${place}/tree/1`).ino, Deno.statSync(layer).ino);
          assert(Deno.statSync(`${place}/tree/index.erofs`).size < 80_000);
          const mount = mountIndex(indexFiles(`${place}/tree`), method);
          try {
            assert.deepEqual(Deno.readFileSync(`/proc/self/fd/${mount}/last`), expected);
            assert.deepEqual(Deno.readFileSync(`/proc/self/fd/${mount}/first`), content(70_000));
          } finally {
            closeDescriptor(mount);
          }
          assert.equal(Deno.statSync(layer).size, size);
        } finally {
          deleteTree(place, "unmount");
        }
      },
    });
  }
}
