/** The bill of materials of a binary, in the form of SPDX 2.3 (ISO/IEC 5962). */
import { RKT_VERSION } from "../../src/version.ts";
import { DENO_VERSION } from "../binary.ts";
import type { Release, Target } from "./target.ts";

/** A package of npm, as the lock file has it. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Hexadecimal. */
  readonly sha512?: string;
}

/** The packages of a lock file of Deno's, but those that are for other machines: tools of the build. */
export function lockedPackages(lock: string): readonly LockedPackage[] {
  const { npm = {} }: { npm?: Record<string, { integrity?: string; os?: unknown }> } = JSON.parse(
    lock,
  );
  return Object.entries(npm).filter(([, { os }]) => os === undefined).map(
    ([key, { integrity }]) => {
      // `NAME@VERSION`, and behind an underscore what it was resolved with.
      const at = key.indexOf("@", 1);
      const base64 = /^sha512-(.+)$/.exec(integrity ?? "")?.[1];
      return {
        name: key.slice(0, at),
        version: key.slice(at + 1).split("_")[0] ?? "",
        ...base64 !== undefined && { sha512: Uint8Array.fromBase64(base64).toHex() },
      };
    },
  );
}

/** Writes `rkt-VERSION-MACHINE.spdx.json`. */
export async function billOfMaterials(
  { root, out, date }: Release,
  { machine }: Target,
  binary: string,
): Promise<void> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(binary));
  const packages = lockedPackages(await Deno.readTextFile(`${root}deno.lock`));
  const text = spdx({ machine, date, sha256: new Uint8Array(digest).toHex(), packages });
  await Deno.writeTextFile(`${out}/rkt-${RKT_VERSION}-${machine}.spdx.json`, text);
}

/** What a bill is made of. */
export interface Materials {
  readonly machine: string;
  /** Seconds. */
  readonly date: number;
  /** Of the binary, hexadecimal. */
  readonly sha256: string;
  readonly packages: readonly LockedPackage[];
}

/** The bill as JSON. */
export function spdx({ machine, date, sha256, packages }: Materials): string {
  const name = `rkt-${RKT_VERSION}-${machine}`;
  const unknown = { downloadLocation: "NOASSERTION", licenseConcluded: "NOASSERTION" };
  const parts = packages.map(({ name, version, sha512 }, i) => ({
    SPDXID: `SPDXRef-npm-${i + 1}`,
    ...{ name, versionInfo: version, ...unknown, filesAnalyzed: false },
    ...sha512 !== undefined && {
      checksums: [{ algorithm: "SHA512", checksumValue: sha512 }],
    },
    externalRefs: [{
      referenceCategory: "PACKAGE-MANAGER",
      referenceType: "purl",
      referenceLocator: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    }],
  }));
  const deno = {
    SPDXID: "SPDXRef-deno",
    ...{ name: "deno", versionInfo: DENO_VERSION, ...unknown, filesAnalyzed: false },
    licenseConcluded: "MIT",
  };
  const rkt = {
    SPDXID: "SPDXRef-rkt",
    ...{ name: "rkt", versionInfo: RKT_VERSION, ...unknown, filesAnalyzed: false },
    licenseConcluded: "Apache-2.0",
    checksums: [{ algorithm: "SHA256", checksumValue: sha256 }],
  };
  const bill = {
    ...{ spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name },
    documentNamespace: `https://spdx.org/spdxdocs/${name}-${sha256}`,
    creationInfo: {
      created: new Date(date * 1000).toISOString().replace(".000Z", "Z"),
      creators: ["Tool: scripts/release.ts"],
    },
    packages: [rkt, deno, ...parts],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", rkt.SPDXID),
      relation(rkt.SPDXID, "CONTAINS", deno.SPDXID),
      ...parts.map(({ SPDXID }) => relation(rkt.SPDXID, "DEPENDS_ON", SPDXID)),
    ],
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}

const relation = (from: string, relationshipType: string, to: string) => ({
  spdxElementId: from,
  relationshipType,
  relatedSpdxElement: to,
});
