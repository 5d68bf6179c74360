const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** A text as HTML and XML have it, also between double quotes. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (each) => ESCAPES[each] ?? each);
