/**
 * Has V8 compile functions with the script that they are in. Else it reads each of them twice: once to find its end, and
 * again when it is first called, which also takes 30 µs for each. A function expression in parentheses is one that V8
 * compiles at once (`ParsePrimaryExpression` in its src/parsing/parser-base.h). Methods can't be marked.
 */
import { parseAst } from "rollup/parseAst";

/** A node of the syntax tree (estree), as far as it matters here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** A function. */
interface Callable extends Node {
  readonly id?: Node & { readonly name: string } | null;
  readonly body: Node;
  readonly async: boolean;
  readonly generator: boolean;
}

/** A program, or the body of a function. */
interface Block extends Node {
  readonly body: readonly Node[];
}

/** A change of a text: what becomes of the part from `start` to `end`. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: (part: (start: number, end: number) => string) => string;
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  "ArrowFunctionExpression",
  "FunctionDeclaration",
  "FunctionExpression",
]);

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && "start" in value;

const isFunction = (node: Node): node is Callable => FUNCTIONS.has(node.type);

const isBlock = (node: Node): node is Block =>
  node.type === "Program" || node.type === "BlockStatement";

const children = (node: Node): readonly Node[] => Object.values(node).flat().filter(isNode);

/** A function that is a method, a getter or a setter: parentheses have no place there. */
const isMethod = (parent: Node): boolean =>
  parent.type === "MethodDefinition" ||
  parent.type === "Property" &&
    ("method" in parent && parent.method === true || "kind" in parent && parent.kind !== "init");

/**
 * The same program, in which the functions at the given places are compiled with the script.
 *
 * @param starts where V8 says that functions begin: at the parenthesis of the parameters, or the arrow function's begin; in
 *   UTF-16 units
 */
export function withEagerFunctions(source: string, starts: ReadonlySet<number>): string {
  const changes: Change[] = [];
  const declared = new Map<Block, Callable[]>();

  const isWanted = (node: Callable): boolean => {
    const from = node.id?.end ?? node.start;
    return starts.has(node.start) || starts.has(source.indexOf("(", from));
  };
  const mark = (node: Callable, parent: Node, block: Block | undefined): void => {
    if (isMethod(parent) || !isWanted(node)) return;
    if (node.type !== "FunctionDeclaration") {
      changes.push({ ...node, text: (part) => `(${part(node.start, node.end)})` });
    } else if (block?.body.includes(node)) {
      changes.push({ ...node, text: () => "" });
      declared.set(block, [...declared.get(block) ?? [], node]);
    }
  };
  /** @param block the program or body that a declaration belongs to; none in a block within it */
  const visit = (node: Node, parent: Node, block: Block | undefined): void => {
    if (isFunction(node)) mark(node, parent, block);
    const inner = isBlock(node)
      ? (isFunction(parent) || parent === node ? node : undefined)
      : block;
    for (const child of children(node)) visit(child, node, inner);
  };

  const program: Node = parseAst(source);
  visit(program, program, undefined);
  for (const [block, nodes] of declared) changes.push(hoisted(block, nodes));
  return changed(source, changes);
}

/** Declarations as variables at a block's begin: they have to be there before any statement, as functions are. */
function hoisted(block: Block, nodes: readonly Callable[]): Change {
  const prologue = block.body.filter((node) =>
    node.type === "ImportDeclaration" || "directive" in node && node.directive !== undefined
  );
  const start = prologue.at(-1)?.end ?? (block.type === "Program" ? block.start : block.start + 1);
  const declaration = (node: Callable, part: (start: number, end: number) => string): string => {
    const word = `${node.async ? "async " : ""}function${node.generator ? "*" : ""}`;
    return `var ${node.id?.name}=(${word}${part(node.id?.end ?? node.start, node.end)});`;
  };
  return {
    ...{ start, end: start },
    text: (part) =>
      (prologue.length > 0 ? ";" : "") + nodes.map((node) => declaration(node, part)).join(""),
  };
}

/** A text with changes, which may lie within each other. */
function changed(source: string, changes: readonly Change[]): string {
  // What is inserted comes before what begins at the same place, the outer before the inner.
  const ordered = changes.toSorted((a, b) =>
    a.start - b.start || Number(b.end === b.start) - Number(a.end === a.start) || b.end - a.end
  );
  /** The part of the text, but for the change that asks for it. */
  const part = (start: number, end: number, asking?: Change): string => {
    let text = "", at = start;
    for (const change of ordered) {
      if (change === asking || change.start < at || change.end > end) continue;
      text += source.slice(at, change.start) +
        change.text((from, to) => part(from, to, change));
      at = change.end;
    }
    return text + source.slice(at, end);
  };
  return part(0, source.length);
}
