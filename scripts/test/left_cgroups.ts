/** Cgroups of pods that tests have left: those of pods whose supervisor was killed stay until `rkt gc` comes. */

const POD_CGROUP = /^rkt-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The directories below a mount of cgroups that are named after a pod. */
export function podCgroups(directory = "/sys/fs/cgroup"): readonly string[] {
  return directoriesIn(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return POD_CGROUP.test(name) ? [path] : podCgroups(path);
  });
}

/** The names of the directories in a directory; none where it has gone meanwhile. */
function directoriesIn(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Removes cgroups that have no processes, with those below them.
 *
 * @returns those that could not be removed: they have processes
 */
export function removeCgroups(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => {
    const below = directoriesIn(path).map((name) => `${path}/${name}`);
    if (removeCgroups(below).length > 0) return true;
    try {
      Deno.removeSync(path); // rmdir(2), which takes no cgroup with processes
      return false;
    } catch (error) {
      return !(error instanceof Deno.errors.NotFound);
    }
  });
}
