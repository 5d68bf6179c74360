/** Archives of images as `podman save` and `ctr image export` write them: an OCI layout in a tar. */
import assert from "node:assert/strict";

/** Hands a file to the layout by its digest. */
async function blob(layout: string, bytes: Uint8Array<ArrayBuffer>, mediaType: string) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  Deno.writeFileSync(`${layout}/blobs/sha256/${digest}`, bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/**
 * Makes the archive of an image with one layer.
 *
 * @param name with which engines import it: `localhost/bb:latest`
 * @param config what its configuration says of processes: `{ Cmd: ["/bin/sh"] }`
 */
export async function packImage(
  rootfs: string,
  archive: string,
  name: string,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  const layout = await Deno.makeTempDir({ prefix: "rkt-layout-" });
  try {
    Deno.mkdirSync(`${layout}/blobs/sha256`, { recursive: true });
    await tar(rootfs, `${layout}/layer.tar`);
    const bytes = Deno.readFileSync(`${layout}/layer.tar`);
    Deno.removeSync(`${layout}/layer.tar`);
    const type = "application/vnd.oci.image";
    const layer = await blob(layout, bytes, `${type}.layer.v1.tar`);
    const described = await blob(
      layout,
      json({
        architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
        os: "linux",
        config,
        rootfs: { type: "layers", diff_ids: [layer.digest] },
      }),
      `${type}.config.v1+json`,
    );
    const mediaType = `${type}.manifest.v1+json`;
    const manifest = { schemaVersion: 2, mediaType, config: described, layers: [layer] };
    const descriptor = await blob(layout, json(manifest), mediaType);
    const annotations = {
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
    };
    const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] };
    Deno.writeFileSync(`${layout}/index.json`, json(index));
    Deno.writeFileSync(`${layout}/oci-layout`, json({ imageLayoutVersion: "1.0.0" }));
    await tar(layout, archive);
  } finally {
    await Deno.remove(layout, { recursive: true });
  }
}

async function tar(directory: string, archive: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("tar", {
    args: ["-C", directory, "-cf", archive, "."],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
