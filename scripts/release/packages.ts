/** The archive and the packages, made by the tools of the systems that they are for: tar, dpkg-deb, rpmbuild. */
import { RKT_VERSION } from "../../src/version.ts";
import { run } from "./run.ts";
import type { Release, Target } from "./target.ts";

/** In a sentence, and in a paragraph. */
const SUMMARY = "application container runtime without a daemon";
const ABOUT =
  "rkt fetches, verifies and runs App Container Images and OCI images as pods. A pod is a child of whoever starts it, so " +
  "that systemd and other supervisors run pods like any other program.";
const MAINTAINER = "The rkt developers <rkt@localhost>";

/** Of gzip, which every system has; without the time. */
const GZIP = "gzip --no-name -6";

/** `rkt-VERSION-MACHINE.tar.gz`: to be unpacked over `/`, or to take what one needs of it. */
export async function tarArchive({ out, date }: Release, { machine }: Target, tree: string) {
  const name = `rkt-${RKT_VERSION}-${machine}`;
  await run([
    ...[
      "tar",
      "--create",
      "--sort=name",
      "--format=gnu",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
    ],
    ...[`--mtime=@${date}`, `--use-compress-program=${GZIP}`, `--transform=s,^\\.,${name},`],
    ...[`--file=${out}/${name}.tar.gz`, `--directory=${tree}`, "."],
  ]);
}

/**
 * `rkt_VERSION_MACHINE.deb` (deb(5)), for Debian 12 and Ubuntu 18.04 or later: zstd takes seconds where xz takes minutes.
 *
 * @returns its path
 */
export async function debianPackage(
  { root, out, date }: Release,
  { debian }: Target,
  tree: string,
  { version = RKT_VERSION, level = 9 }: PackageOptions = {},
): Promise<string> {
  const size = (await run(["du", "--summarize", "--apparent-size", "--block-size=1024", tree]))
    .split("\t")[0];
  const control = [
    "Package: rkt",
    `Version: ${version}`,
    `Architecture: ${debian}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${size}`,
    "Depends: libc6 (>= 2.28), libgcc-s1",
    "Recommends: apparmor",
    "Section: admin",
    "Priority: optional",
    `Description: ${SUMMARY}`,
    ` ${ABOUT}`,
    "",
  ].join("\n");
  const file = `${out}/rkt_${version}_${debian}.deb`;
  const directory = `${tree}/DEBIAN`;
  await Deno.mkdir(directory);
  try {
    await Deno.writeTextFile(`${directory}/control`, control);
    await Deno.writeTextFile(`${directory}/conffiles`, "/etc/apparmor.d/rkt-app\n");
    for (const script of ["postinst", "prerm", "postrm"]) {
      await Deno.copyFile(`${root}packaging/debian/${script}`, `${directory}/${script}`);
      await Deno.chmod(`${directory}/${script}`, 0o755);
    }
    await run(
      [
        ...["dpkg-deb", "--root-owner-group", "-Zzstd", `-z${level}`, "--threads-max=1", "--build"],
        ...[tree, file],
      ],
      { env: { SOURCE_DATE_EPOCH: `${date}` } },
    );
    return file;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What tests change of a package. */
export interface PackageOptions {
  readonly version?: string | undefined;
  /** How much is compressed: 1 to 9. */
  readonly level?: number;
}

/** What is run when an RPM comes or goes: files of `packaging/rpm`. */
const SCRIPTLETS = ["post", "preun", "postun"] as const;

/**
 * `rkt-VERSION-1.MACHINE.rpm`. Nothing is built by it: it packs what is there.
 *
 * @returns its path
 */
export async function rpmPackage(
  { root, out, date }: Release,
  { machine }: Target,
  tree: string,
  { version = RKT_VERSION, level = 9 }: PackageOptions = {},
): Promise<string> {
  const top = await Deno.makeTempDir({ prefix: "rkt-rpm-" });
  try {
    const files = (await run(["find", ".", "-type", "f", "-printf", "/%P\n"], { cwd: tree }))
      .trim().split("\n").sort().filter((file) => file !== "");
    const listed = files.map((file) =>
      file.startsWith("/etc/") ? `%config(noreplace) ${file}` : file
    );
    const spec = [
      ...["Name: rkt", `Version: ${version}`, "Release: 1", `Summary: ${SUMMARY}`],
      ...["License: Apache-2.0", "AutoReqProv: no"],
      ...["Requires: glibc >= 2.28", "Requires: libgcc", "", "%description", ABOUT, ""],
      ...["%install", "cp -a %{tree}/. %{buildroot}/", ""],
      ...SCRIPTLETS.flatMap((name) => [
        `%${name}`,
        Deno.readTextFileSync(`${root}packaging/rpm/${name}`),
      ]),
      ...["%files", ...listed, ""],
    ].join("\n");
    await Deno.writeTextFile(`${top}/rkt.spec`, spec);
    const define = (name: string, value: string) => ["--define", `${name} ${value}`];
    await run([
      ...["rpmbuild", "-bb", "--target", `${machine}-linux`, "--quiet"],
      ...define("_topdir", top),
      ...define("_rpmdir", out),
      ...define("_build_name_fmt", "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"),
      ...define("tree", tree),
      ...define("_buildhost", "localhost"),
      ...define("use_source_date_epoch_as_buildtime", "1"),
      ...define("clamp_mtime_to_source_date_epoch", "1"),
      ...define("_binary_payload", `w${level}.zstdio`),
      // The binary stays as it is: what strip takes away is the program.
      ...define("__os_install_post", "%{nil}"),
      ...define("debug_package", "%{nil}"),
      ...define("_build_id_links", "none"),
      `${top}/rkt.spec`,
    ], { env: { SOURCE_DATE_EPOCH: `${date}` } });
    return `${out}/rkt-${version}-1.${machine}.rpm`;
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}
