/**
 * Parses JSON that another program or user wrote. JSON.parse() has no limits of its own: nested brackets of 16 MB take
 * some 900 MB of memory, and can end the process.
 */

/** Limits of a JSON text. */
export interface JsonLimits {
  /** How many arrays and objects may contain each other. Default 64. */
  depth?: number;
  /** How many values there may be, counted by their commas and brackets. Default 500,000. */
  values?: number;
}

/** @throws SyntaxError: the text is not JSON, or is beyond a limit */
export function parseForeignJson(json: string, { depth = 64, values = 500_000 }: JsonLimits = {}): unknown {
  const problem = beyond(json, depth, values);
  if (problem !== undefined) throw new SyntaxError(problem);
  return JSON.parse(json);
}

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];

function beyond(json: string, mostDepth: number, mostValues: number): string | undefined {
  let depth = 0;
  let values = 0;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) i = endOfString(json, i);
    else if (code === COMMA) values++;
    // "[" is 0x5b, "{" is 0x7b; each closing bracket is two higher.
    else if ((code & ~0x20) === 0x5b) {
      if (++depth > mostDepth) return `JSON with more than ${mostDepth} levels`;
      values++;
    } else if ((code & ~0x20) === 0x5d) depth--;
    if (values > mostValues) return `JSON with more than ${mostValues} values`;
  }
  return undefined;
}

/** The index of the quote that ends the string, or the length of the text. */
function endOfString(json: string, start: number): number {
  for (let i = start + 1; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i;
  }
  return json.length;
}
