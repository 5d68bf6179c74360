import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { imagePath } from "../store/layout.ts";
import { removeStaleDownloads } from "./stale_downloads.ts";

const HOUR = 3_600_000;
const KEY = `sha512-${"a".repeat(64)}`;

/** A data directory with files below `cas`, by their text and age in milliseconds. */
function withFiles(files: Readonly<Record<string, [string, number]>>, test: (dir: string) => void) {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-stale-" });
  try {
    for (const [name, [text, age]] of Object.entries(files)) {
      const path = `${dir}/cas/${name}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, text);
      const time = new Date(Date.now() - age);
      Deno.utimeSync(path, time, time);
    }
    test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const left = (dir: string, of: string) =>
  [...Deno.readDirSync(`${dir}/cas/${of}`)].map(({ name }) => name).sort();

Deno.test("removeStaleDownloads() removes old downloads with all their files, and gives their bytes back", () => {
  const old: [string, number] = ["x".repeat(10_000), 2 * HOUR];
  const files = {
    "partial/old": old,
    "partial/old.json": old,
    "partial/old.lock": old,
    "partial/new": ["x", 0] as [string, number],
    "partial/new.lock": old,
    "partial/nothing.lock": old,
  };
  withFiles(files, (dir) => {
    ok(removeStaleDownloads(dir, HOUR) >= 10_000);
    deepStrictEqual(left(dir, "partial"), ["new", "new.lock"]);
  });
});

Deno.test("removeStaleDownloads() leaves a download that somebody works at", () => {
  withFiles({ "partial/held": ["x", 2 * HOUR], "partial/held.lock": ["", 2 * HOUR] }, (dir) => {
    using lock = Deno.openSync(`${dir}/cas/partial/held.lock`, { write: true });
    lock.lockSync(true);
    strictEqual(removeStaleDownloads(dir, HOUR), 0);
    deepStrictEqual(left(dir, "partial"), ["held", "held.lock"]);
  });
});

Deno.test("removeStaleDownloads() removes records of images that are gone, and what writers have left", () => {
  const record = (key: string): string => JSON.stringify({ key });
  const files: Record<string, [string, number]> = {
    "remote/kept.json": [record(KEY), 0],
    "remote/gone.json": [record(KEY.replaceAll("a", "b")), 0],
    "remote/damaged.json": ["{", 0],
    "remote/outside.json": [record("../../etc/passwd"), 0],
    "remote/written.tmp": ["", 0],
    "remote/killed.tmp": ["", 2 * HOUR],
  };
  withFiles(files, (dir) => {
    const image = imagePath(dir, "imageManifest", KEY);
    Deno.mkdirSync(image.slice(0, image.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(image, "{}");
    removeStaleDownloads(dir, HOUR);
    deepStrictEqual(left(dir, "remote"), ["kept.json", "written.tmp"]);
  });
});
