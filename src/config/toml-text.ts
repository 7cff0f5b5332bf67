/** Writes values as TOML: sections, pairs, inline tables. */

export type Fields = Record<string, unknown>;

/** Writes `[name]` and one line for each field. */
export const section = (name: string, fields: Fields): string => `[${name}]\n${pairs(fields)}`;

/** Writes `[[name]]` and one line for each field. */
export const arraySection = (name: string, fields: Fields): string => `[[${name}]]\n${pairs(fields)}`;

/** Fields that are undefined are left out. Each item of `steps` gets a line of its own. */
function pairs(fields: Fields): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.map(([name, value]) => `${key(name)} = ${inline(value, name === 'steps')}\n`).join('');
}

function inline(value: unknown, lines = false): string {
  if (Array.isArray(value)) {
    const items = value.map((each) => inline(each));
    return lines ? `[\n${items.map((item) => `  ${item},\n`).join('')}]` : `[${items.join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const given = Object.entries(value).filter(([, each]) => each !== undefined);
    return `{ ${given.map(([name, each]) => `${key(name)} = ${inline(each)}`).join(', ')} }`;
  }
  return typeof value === 'string' ? quote(value) : String(value);
}

const key = (name: string) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : quote(name));

/** A JSON string is also a TOML string, except that DEL must be escaped in TOML. */
const quote = (text: string) => JSON.stringify(text).replaceAll('\x7f', '\\u007f');
