/** OCI images of bytes in memory, right or wrong in one place. */
import { digestOf } from "../hash.ts";
import { CONFIG_TYPES, MANIFEST_TYPES } from "../media_types.ts";

/** A descriptor as JSON. */
export interface DescriptorJson {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
}

/** JSON as bytes. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Blobs by digest, and what refers to them. */
export class BlobFixture {
  readonly blobs: Map<string, Uint8Array<ArrayBuffer>> = new Map();

  /** Adds bytes and describes them. */
  add(bytes: Uint8Array<ArrayBuffer>, mediaType: string): DescriptorJson {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Adds an image of uncompressed layers, and describes its manifest. */
  image(
    layers: readonly Uint8Array<ArrayBuffer>[],
    change: { readonly config?: object; readonly manifest?: object } = {},
  ): DescriptorJson {
    const descriptors = layers.map((each) =>
      this.add(each, "application/vnd.oci.image.layer.v1.tar")
    );
    const config = this.add(
      jsonBytes({
        os: "linux",
        architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
        rootfs: { type: "layers", diff_ids: descriptors.map(({ digest }) => digest) },
        ...change.config,
      }),
      CONFIG_TYPES.oci,
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPES.ociManifest,
      config,
      layers: descriptors,
      ...change.manifest,
    };
    return this.add(jsonBytes(manifest), MANIFEST_TYPES.ociManifest);
  }

  /** Writes a layout whose index has these entries. */
  async writeLayout(path: string, manifests: readonly DescriptorJson[]): Promise<void> {
    await Deno.mkdir(`${path}/blobs/sha256`, { recursive: true });
    for (const [digest, bytes] of this.blobs) {
      await Deno.writeFile(`${path}/blobs/${digest.replace(":", "/")}`, bytes);
    }
    await Deno.writeTextFile(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    await Deno.writeFile(`${path}/index.json`, jsonBytes({ schemaVersion: 2, manifests }));
  }
}
