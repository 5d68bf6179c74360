/**
 * `rkt completion SHELL`: a script for the shell, which asks `rkt __complete` for what can come next. All knowledge is in
 * complete.ts, so that the shells offer the same and a script stays right when rkt is replaced.
 */
import { Failure } from "../../failure.ts";
import { complete, type Completion } from "./complete.ts";
import type { Command, Invocation } from "../grammar/command.ts";
import { print } from "../print/output.ts";

/** bash splits words at the characters of COMP_WORDBREAKS, and replaces only the part behind the last of them. */
const BASH =
  `# bash completion for rkt; put it into /etc/bash_completion.d, or: source <(rkt completion bash)
_rkt() {
  local line kind
  COMPREPLY=()
  compopt +o nospace +o default 2>/dev/null
  {
    IFS= read -r kind || return
    while IFS= read -r line; do COMPREPLY+=("$line"); done
  } < <("\${COMP_WORDS[0]}" __complete bash "$COMP_LINE" "$COMP_POINT" "$COMP_WORDBREAKS" 2>/dev/null)
  case $kind in *open*) compopt -o nospace ;; esac
  case $kind in *files*) compopt -o default ;; esac
}
complete -F _rkt rkt
`;

const ZSH = `#compdef rkt
# zsh completion for rkt; put it as _rkt into a directory of $fpath, or: source <(rkt completion zsh)
_rkt() {
  local line kind word
  local -a closed open closed_about open_about
  {
    IFS= read -r kind || return 1
    while IFS= read -r line; do
      word="\${line%%$'\\t'*}"
      if [[ $word == *[=:] ]]; then
        open+=("$word"); open_about+=("$word -- \${line#*$'\\t'}")
      else
        closed+=("$word"); closed_about+=("$word -- \${line#*$'\\t'}")
      fi
    done
  } < <("\${words[1]}" __complete zsh "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#closed )) && compadd -l -d closed_about -a -- closed
  (( $#open )) && compadd -l -S '' -d open_about -a -- open
  [[ $kind == *files* ]] && { [[ $PREFIX == --*=* ]] && compset -P '*='; _files }
  return 0
}
if [[ $funcstack[1] == _rkt ]]; then _rkt "$@"; else compdef _rkt rkt; fi
`;

const FISH =
  `# fish completion for rkt; put it into ~/.config/fish/completions/rkt.fish, or: rkt completion fish | source
function __rkt_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete fish $words[2..-1] 2>/dev/null)
    if string match -q '*files*' -- $lines[1]
        set -l word (commandline -ct)
        if string match -q -- '--*=*' $word
            set -l start (string replace -r '=.*' '=' -- $word)
            for path in (__fish_complete_path (string replace -r '^[^=]*=' '' -- $word))
                echo $start$path
            end
        else
            __fish_complete_path $word
        end
    end
    string join \\n -- $lines[2..-1]
end
complete -c rkt -f -a '(__rkt_complete)'
`;

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ["bash", BASH],
  ["zsh", ZSH],
  ["fish", FISH],
]);

/** Prints the script of a shell. */
export default function run({ args: [shell], command }: Invocation): Promise<number> {
  const script = SCRIPTS.get(shell ?? "");
  if (script === undefined) {
    throw new Failure(
      `no script for ${JSON.stringify(shell)}; usage: rkt ${command.name} ${command.usage}`,
    );
  }
  print(script);
  return Promise.resolve(0);
}

/**
 * `rkt __complete SHELL …`: what a script asks. The first line says whether files can stand there (`files`) and
 * whether no space is to come behind the word (`open`); each further line is a word, but for bash with a tab
 * and what it is.
 *
 * @param argv the shell; then of bash the line, the place of the cursor and COMP_WORDBREAKS, else the words
 */
export async function answerShell(
  [shell, ...rest]: readonly string[],
  commands: readonly Command[],
): Promise<number> {
  try {
    if (shell === "bash") {
      const [line = "", point = "", breaks = ""] = rest;
      const words = splitLine(bytesBefore(line, Number(point))).slice(1);
      print(bashAnswer(await complete(words, commands), words.at(-1) ?? "", breaks));
    } else {
      const { candidates, files } = await complete(rest, commands);
      const lines = candidates.map(({ word, about }) => `${word}\t${about}`);
      print([files ? "files" : "words", ...lines].map((each) => `${each}\n`).join(""));
    }
  } catch {
    print("words\n"); // an error message would break up the command line
  }
  return 0;
}

function bashAnswer({ candidates, files }: Completion, current: string, breaks: string): string {
  const cut = Math.max(...[...breaks].map((each) => current.lastIndexOf(each))) + 1;
  const kind = [files ? "files" : "words", ...candidates.some(({ open }) => open) ? ["open"] : []];
  const words = candidates.map(({ word }) => word.slice(cut));
  return [kind.join(" "), ...words].map((each) => `${each}\n`).join("");
}

/** COMP_POINT counts bytes. */
function bytesBefore(line: string, point: number): string {
  return new TextDecoder().decode(new TextEncoder().encode(line).subarray(0, point));
}

/** The words of a line as a shell has them, the last one maybe empty; an open quote ends with the line. */
export function splitLine(line: string): readonly string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  const characters = [...line][Symbol.iterator]();
  const escaped = (): string => characters.next().value ?? "";
  for (const char of characters) {
    if (quote !== "") {
      if (char === quote) quote = "";
      else word += char === "\\" && quote === '"' ? escaped() : char;
    } else if (char === "'" || char === '"') quote = char;
    else if (char === "\\") word += escaped();
    else if (!/\s/.test(char)) word += char;
    else if (word !== "") {
      words.push(word);
      word = "";
    }
  }
  return [...words, word];
}
