/** A GnuPG home of its own for a test: real keys, real signatures. */

/** A temporary GnuPG home; disposing of it ends its agent and removes it. */
export class Gpg implements Disposable {
  readonly home: string = Deno.makeTempDirSync({ prefix: "rkt-gpg-" });

  /** Runs gpg and insists that it succeeds; returns what it printed. */
  run(args: readonly string[], input?: Uint8Array): Uint8Array<ArrayBuffer> {
    const stdin = `${this.home}/stdin`;
    Deno.writeFileSync(stdin, input ?? new Uint8Array());
    const output = new Deno.Command("sh", {
      args: ["-c", 'exec "$@" < "$0"', stdin, "gpg", "--batch", "--yes", "--quiet", ...args],
      env: { GNUPGHOME: this.home },
    }).outputSync();
    if (!output.success) {
      throw new Error(`gpg ${args.join(" ")}: ${new TextDecoder().decode(output.stderr)}`);
    }
    return output.stdout;
  }

  /**
   * Makes a key without a passphrase and returns its fingerprint in lower case.
   *
   * @param algorithm as `--quick-generate-key` takes it: `rsa2048`, `ed25519`, `nistp256`, `dsa2048`
   * @param options `time`: when it seems to be made (`20200101T000000`); `expires`: `1d`, `never`
   */
  key(
    identity: string,
    algorithm: string,
    options: { readonly time?: string; readonly expires?: string } = {},
  ): string {
    this.run([
      ...timed(options.time),
      ...["--passphrase", "", "--quick-generate-key", identity, algorithm, "sign"],
      options.expires ?? "never",
    ]);
    const keys = new TextDecoder().decode(this.run(["--with-colons", "--list-keys", identity]));
    const fingerprints = [...keys.matchAll(/^fpr:+([0-9A-F]+):/gm)].map((found) => found[1] ?? "");
    return (fingerprints.at(0) ?? "").toLowerCase();
  }

  /** The armoured public key. */
  export(key: string): Uint8Array<ArrayBuffer> {
    return this.run(["--armor", "--export", key]);
  }

  /** An armoured detached signature by one or more keys. */
  sign(
    content: Uint8Array,
    keys: string | readonly string[],
    options: { readonly time?: string; readonly args?: readonly string[] } = {},
  ): Uint8Array<ArrayBuffer> {
    const signers = [keys].flat().flatMap((key) => ["--local-user", `${key}!`]);
    return this.run([
      ...timed(options.time),
      ...(options.args ?? []),
      ...signers,
      "--armor",
      "--output",
      "-",
      "--detach-sign",
    ], content);
  }

  [Symbol.dispose](): void {
    new Deno.Command("gpgconf", { args: ["--kill", "all"], env: { GNUPGHOME: this.home } })
      .outputSync();
    Deno.removeSync(this.home, { recursive: true });
  }
}

function timed(time: string | undefined): string[] {
  return time === undefined ? [] : ["--faked-system-time", `${time}!`];
}
