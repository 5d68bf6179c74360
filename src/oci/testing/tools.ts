/** Other people's tools, to make images with. */

/** Runs a tool and returns what it prints. @throws {Error} with what it says on stderr */
export async function tool(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    ...options,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (success) return text.decode(stdout);
  throw new Error(`${command} ${args.join(" ")}: ${text.decode(stderr)}`);
}

/**
 * Makes an OCI layout with umoci: `one` has a layer, `two` has two of them and a command.
 *
 * @param path where the layout is made
 */
export async function umociLayout(path: string): Promise<void> {
  const files = `${path}.files`;
  await Deno.mkdir(files);
  await Deno.writeTextFile(`${files}/hello`, "hello\n");
  await tool("umoci", ["init", "--layout", path]);
  await tool("umoci", ["new", "--image", `${path}:one`]);
  await tool("umoci", ["insert", "--image", `${path}:one`, files, "/etc"]);
  await tool("umoci", ["insert", "--tag", "two", "--image", `${path}:one`, files, "/opt"]);
  await tool("umoci", ["config", "--image", `${path}:two`, "--config.cmd", "/bin/hello"]);
}
