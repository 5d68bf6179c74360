/** What is in a directory of files, to be compared with another one. */
import { tool } from "../../src/oci/testing/tools.ts";

const LISTING = `
import hashlib, json, os, stat, time
now = time.time() - 100000
for directory, directories, files in os.walk(b"."):
    for name in [b"."] * (directory == b".") + directories + files:
        path = os.path.join(directory, name)
        s = os.lstat(path)
        is_directory, is_file = stat.S_ISDIR(s.st_mode), stat.S_ISREG(s.st_mode)
        print(json.dumps([
            path.decode("latin1"), oct(s.st_mode), s.st_uid, s.st_gid,
            0 if is_directory else s.st_size, 0 if is_directory else s.st_nlink,
            os.readlink(path).decode("latin1") if stat.S_ISLNK(s.st_mode) else "",
            s.st_mtime_ns if s.st_mtime < now and path != b"./." else 0,
            [] if stat.S_ISLNK(s.st_mode) else [[n, os.getxattr(path, n).decode("latin1")]
                for n in sorted(os.listxattr(path)) if n.startswith("user.")],
            hashlib.sha256(open(path, "rb").read()).hexdigest() if is_file else "",
        ]))
`;

/**
 * All of a tree, a line each: names, types, modes, owners, sizes, links, times, attributes, contents. What no layer lists has
 * the time 0 here, and that of the unpacking elsewhere.
 */
export async function treeListing(root: string): Promise<string[]> {
  const text = await tool("python3", ["-c", LISTING], { cwd: root });
  return text.trim().split("\n").sort();
}
