/** The name that this program was called by (`argv[0]`); empty without /proc. */
export function calledName(): string {
  try {
    const [name = ""] = Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1);
    return name;
  } catch {
    return "";
  }
}
