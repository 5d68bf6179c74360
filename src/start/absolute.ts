/** A path as seen from the root directory, whatever the working directory is later. */
export const absolute = (path: string): string =>
  path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
