/** Writes objects as YAML that every YAML 1.1 and 1.2 reader reads as the same value. */

export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml | undefined };

/** A document, with a line break at the end. Properties with the value undefined are left out. */
export const writeYaml = (value: Yaml): string => `${lines(value).join('\n')}\n`;

/** Several documents in one stream. */
export const writeYamlStream = (values: readonly Yaml[]): string => values.map(writeYaml).join('---\n');

function lines(value: Yaml): string[] {
  if (isList(value)) return value.length === 0 ? ['[]'] : value.flatMap(item);
  if (typeof value !== 'object' || value === null) return [scalar(value)];
  const entries = Object.entries(value).filter((entry): entry is [string, Yaml] => entry[1] !== undefined);
  return entries.length === 0 ? ['{}'] : entries.flatMap(([key, each]) => field(scalar(key), each));
}

function item(value: Yaml): string[] {
  const [first, ...rest] = lines(value);
  return [`- ${first}`, ...rest.map((line) => `  ${line}`)];
}

function field(key: string, value: Yaml): string[] {
  if (typeof value === 'string' && value.includes('\n')) return blockScalar(key, value);
  const inner = lines(value);
  const isNested = typeof value === 'object' && value !== null && !/^(?:\[\]|\{\})$/.test(inner[0] as string);
  return isNested ? [`${key}:`, ...inner.map((line) => `  ${line}`)] : [`${key}: ${inner[0]}`];
}

/** A text of several lines. The header says whether it ends with a line break. */
function blockScalar(key: string, text: string): string[] {
  const isPlain = /^\S/.test(text) && !/[^\n\x20-\x7e]/.test(text) && !text.endsWith('\n\n');
  if (!isPlain) return [`${key}: ${JSON.stringify(text)}`];
  const body = text.replace(/\n$/, '').split('\n');
  return [`${key}: |${text.endsWith('\n') ? '' : '-'}`, ...body.map((line) => (line === '' ? '' : `  ${line}`))];
}

/** Words that some reader takes for another type (YAML 1.1: "no", "on", "0x1", "1_000", "12:30", dates). */
const AMBIGUOUS =
  /^(?:~|null|true|false|yes|no|on|off|y|n|[-+.]?\d[-\d_.,:a-fox+tz ]*|\.(?:inf|nan)|[-+]\.(?:inf|nan))$/i;
const PLAIN = /^[A-Za-z0-9_./][A-Za-z0-9_./@$%+*=,;()<>~ -]*(?::[A-Za-z0-9_./-]+)*$/;

function scalar(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  return PLAIN.test(value) && !value.endsWith(' ') && !AMBIGUOUS.test(value) ? value : JSON.stringify(value);
}

const isList = (value: Yaml): value is readonly Yaml[] => Array.isArray(value);
