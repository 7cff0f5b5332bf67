/** Reads objects of Kubernetes in YAML, as `kubectl get -o yaml` writes them: mappings and strings, no other YAML. */
import type { JsonRecord } from './structured.ts';

/** The first line of an object. */
export const YAML_BEGINS = /^(?:- )?apiVersion: [\w./-]+$/;
/** A line that may belong to an object. */
export const YAML_LINE =
  /^(?:\s+\S|\s*$|- |(?:action|apiVersion|count|data|eventTime|firstTimestamp|involvedObject|items|kind|lastTimestamp|message|metadata|note|reason|related|reporting\w+|series|source|spec|status|type):(?:\s|$))/;

const KEY = /^( *)((?:- +)*)([\w./-]+|"[^"]*"):(?: +(.*))?$/;

/** @returns the object; the elements of its lists are fields with numbers as names */
export function fromYaml(lines: readonly string[]): JsonRecord {
  const root: JsonRecord = Object.create(null);
  const path: { indent: number; node: JsonRecord }[] = [{ indent: -1, node: root }];
  let elements = 0;
  const enter = (indent: number, name: string) => {
    while ((path.at(-1)?.indent ?? -1) >= indent) path.pop();
    const node: JsonRecord = Object.create(null);
    const parent = path.at(-1)?.node ?? root;
    parent[name] = node;
    path.push({ indent, node });
    return parent;
  };
  for (let at = 0; at < lines.length; at++) {
    const [, blanks = '', dashes = '', key, value = ''] = KEY.exec(lines[at] ?? '') ?? [];
    if (key === undefined) continue;
    if (dashes !== '') enter(blanks.length, String(elements++));
    const indent = blanks.length + dashes.length;
    const parent = enter(indent, key);
    if (value === '') continue;
    const rest: string[] = [];
    const isDeeper = (line: string | undefined) => line !== undefined && (line.trim() === '' || depth(line) > indent);
    while (isDeeper(lines[at + 1])) rest.push(lines[++at] as string);
    parent[key] = scalar(value, rest);
  }
  return root;
}

const depth = (line: string) => line.length - line.trimStart().length;

/** @param rest the lines after the first one that belong to the string */
function scalar(first: string, rest: readonly string[]): string {
  const lines = rest.map((line) => line.trim());
  if (/^[|>][+-]?$/.test(first)) return lines.join(first.startsWith('|') ? '\n' : ' ').trimEnd();
  const folded = [first.trim(), ...lines].join(' ').trim();
  if (folded.startsWith("'")) return folded.replace(/^'|'$/g, '').replaceAll("''", "'");
  if (!folded.startsWith('"')) return folded;
  try {
    return JSON.parse(folded.replaceAll(/\\ /g, ' ')) as string;
  } catch {
    return folded.replace(/^"|"$/g, '');
  }
}
