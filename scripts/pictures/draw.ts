/**
 * `deno task pictures`: draws the pictures of docs/build/pictures: an SVG file beside each text.
 *
 * A text has a line for each thing; `#` begins a comment:
 *
 *     title TEXT            above the picture, and for those who can't see it
 *     row [TEXT]            a row of boxes follows; the text stands at its left
 *     box NAME | TEXT ...   a box, by whose name arrows find it; each text is a line in it
 *     arrow FROM > TO [| TEXT]
 */

/** A box of a picture. */
export interface Box {
  readonly name: string;
  readonly lines: readonly string[];
}

/** A row of boxes, and what stands at its left. */
export interface Row {
  readonly label: string;
  readonly boxes: readonly Box[];
}

/** An arrow from one box to another. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

/** What a text says. */
export interface Picture {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly arrows: readonly Arrow[];
}

/**
 * Reads the text of a picture.
 *
 * @throws {Error} names the line
 */
export function parsePicture(text: string): Picture {
  let title = "";
  const rows: { label: string; boxes: Box[] }[] = [];
  const arrows: Arrow[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    const [first = "", ...others] = rest.split("|").map((part) => part.trim());
    const row = rows.at(-1);
    const [, from, to] = /^(\S+) > (\S+)$/.exec(first) ?? [];
    if (line === "" || word.startsWith("#")) continue;
    else if (word === "title") title = rest;
    else if (word === "row") rows.push({ label: rest, boxes: [] });
    else if (word === "box" && row !== undefined) row.boxes.push({ name: first, lines: others });
    else if (word === "arrow" && from !== undefined && to !== undefined) {
      arrows.push({ from, to, label: others.join(" ") });
    } else throw new Error(`line ${i + 1}: ${line}`);
  }
  const names = new Set(rows.flatMap(({ boxes }) => boxes.map(({ name }) => name)));
  const lost = arrows.flatMap(({ from, to }) => [from, to]).find((name) => !names.has(name));
  if (lost !== undefined) throw new Error(`there is no box ${lost}`);
  return { title, rows, arrows };
}

/** Sizes in pixels. Letters are counted as wide as in a typewriter's font, which the picture has. */
const LETTER = 7.3;
const LINE = 17;
const PADDING = 10;
const BETWEEN = 22;
const ROW_GAP = 46;
const MARGIN = 16;
const TITLE = 34;

interface Placed extends Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const widthOf = (text: string): number => Math.ceil(text.length * LETTER);

const boxWidth = ({ name, lines }: Box): number =>
  Math.max(...[name, ...lines].map(widthOf)) + 2 * PADDING;

const boxHeight = ({ lines }: Box): number => (lines.length + 1) * LINE + PADDING;

const rowWidth = ({ boxes }: Row): number =>
  boxes.reduce((sum, box) => sum + boxWidth(box) + BETWEEN, -BETWEEN);

/** Draws a picture as SVG (W3C, Scalable Vector Graphics 1.1). */
export function drawn({ title, rows, arrows }: Picture): string {
  const labels = Math.max(0, ...rows.map(({ label }) => label === "" ? 0 : widthOf(label) + 24));
  const left = MARGIN + labels;
  const inner = Math.max(...rows.map(rowWidth));
  const placed = new Map<string, Placed>();
  const texts: string[] = [];
  let y = MARGIN + TITLE;
  for (const row of rows) {
    const height = Math.max(...row.boxes.map(boxHeight));
    let x = left + Math.round((inner - rowWidth(row)) / 2);
    if (row.label !== "") texts.push(textAt(MARGIN, y + height / 2 + 4, row.label, "label"));
    for (const box of row.boxes) {
      const width = boxWidth(box);
      placed.set(box.name, { ...box, x, y, width, height: boxHeight(box) });
      x += width + BETWEEN;
    }
    y += height + ROW_GAP;
  }
  const width = Math.max(left + inner, MARGIN + widthOf(title)) + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y - ROW_GAP + MARGIN}" ` +
    `width="${width}" height="${y - ROW_GAP + MARGIN}" role="img">`,
    `<title>${escaped(title)}</title>`,
    STYLE,
    '<rect class="paper" width="100%" height="100%"/>',
    textAt(MARGIN, MARGIN + 14, title, "title"),
    ...texts,
    ...arrows.flatMap((arrow) => arrowLines(arrow, placed)),
    ...[...placed.values()].flatMap(boxLines),
    "</svg>",
    "",
  ].join("\n");
}

const STYLE = `<style>
text { font: 12px monospace; fill: #222 }
.paper { fill: #fff }
.title { font-weight: bold; font-size: 14px }
.label, .note { fill: #666 }
.name { font-weight: bold }
.box { fill: #eef4fb; stroke: #4a7ab0 }
.arrow { fill: none; stroke: #888 }
.head { fill: #888 }
</style>`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const textAt = (x: number, y: number, text: string, style: string): string =>
  `<text class="${style}" x="${x}" y="${y}">${escaped(text)}</text>`;

function boxLines({ name, lines, x, y, width, height }: Placed): string[] {
  return [
    `<rect class="box" x="${x}" y="${y}" width="${width}" height="${height}" rx="4"/>`,
    textAt(x + PADDING, y + LINE, name, "name"),
    ...lines.map((line, i) => textAt(x + PADDING, y + LINE * (i + 2), line, "text")),
  ];
}

/** A curve from the lower edge of one box to the upper edge of another, with a head. */
function arrowLines({ from, to, label }: Arrow, placed: ReadonlyMap<string, Placed>): string[] {
  const [a, b] = [placed.get(from), placed.get(to)];
  if (a === undefined || b === undefined) return [];
  const [x1, y1] = [a.x + a.width / 2, a.y + a.height];
  const [x2, y2] = [b.x + b.width / 2, b.y];
  const bend = (y2 - y1) / 2;
  const curve = `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2 - 6}`;
  return [
    `<path class="arrow" d="${curve}"/>`,
    `<path class="head" d="M${x2} ${y2} l-4 -7 h8 z"/>`,
    ...label === "" ? [] : [textAt((x1 + x2) / 2 + 6, (y1 + y2) / 2 + 4, label, "note")],
  ];
}

/** Where the pictures are. */
export const PICTURES = new URL("../../docs/build/pictures/", import.meta.url);

/** The texts of all pictures, by name. */
export function sources(): ReadonlyMap<string, string> {
  const names = [...Deno.readDirSync(PICTURES)].map(({ name }) => name)
    .filter((name) => name.endsWith(".txt"));
  return new Map(
    names.map((name) => [name.slice(0, -4), Deno.readTextFileSync(new URL(name, PICTURES))]),
  );
}

if (import.meta.main) {
  for (const [name, text] of sources()) {
    Deno.writeTextFileSync(new URL(`${name}.svg`, PICTURES), drawn(parsePicture(text)));
  }
}
