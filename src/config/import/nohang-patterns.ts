/** Converts the lines of nohang.conf that adjust the badness of processes by patterns. */
import { Pattern } from '../../guard/rules/pattern.ts';

export interface NohangLine {
  /** From 1. */
  line: number;
  text: string;
}

/** Kinds of patterns, and the condition of a match with the same meaning. */
const fields: Readonly<Record<string, 'comm' | 'cmdline' | 'exe' | 'cwd' | 'environ'>> = {
  NAME: 'comm',
  CMDLINE: 'cmdline',
  REALPATH: 'exe',
  CWD: 'cwd',
  ENVIRON: 'environ',
};
const MOST_POINTS = 2000;

type Converted = { conditions: object[] } | { problem: string };

/** `prefer` and `avoid` of a rule. What cannot be converted is added to the notes, with its line. */
export function adjustmentsOf(lines: readonly NohangLine[], notes: string[]): { prefer: object[]; avoid: object[] } {
  const prefer: object[] = [];
  const avoid: object[] = [];
  for (const { line, text } of lines) {
    const say = (why: string) => void notes.push(`line ${line}: ${text}: ${why}`);
    const [, kind = '', adjustment, regex = ''] = /^@BADNESS_ADJ_RE_(\w+)\s+(\S+)\s*\/\/\/\s*(.*)$/.exec(text) ?? [];
    if (adjustment === undefined) {
      say(
        text.startsWith('@SOFT_ACTION')
          ? 'to run a program, add a step with do = "exec"'
          : 'there is no such setting here',
      );
      continue;
    }
    const points = Math.trunc(Number(adjustment));
    const converted = convert(kind, regex);
    if ('problem' in converted) say(converted.problem);
    else if (!Number.isFinite(points)) say(`expected a number, got "${adjustment}"`);
    else if (points !== 0) {
      if (Math.abs(points) > MOST_POINTS)
        say(`${points} points count as ${Math.sign(points) * MOST_POINTS}, the most there are`);
      const weighed = { points: Math.min(MOST_POINTS, Math.abs(points)) };
      for (const condition of converted.conditions) (points > 0 ? prefer : avoid).push({ ...condition, ...weighed });
    }
  }
  return { prefer, avoid };
}

function convert(kind: string, regex: string): Converted {
  const field = Object.hasOwn(fields, kind) ? fields[kind] : undefined;
  if (field) return readable(regex) ?? { conditions: [{ [field]: regex }] };
  if (kind === 'UID') {
    const uids = /^\^?\(?(\d+(?:\|\d+)*)\)?\$?$/.exec(regex)?.[1];
    if (uids === undefined) return { problem: 'only user ids can be converted, such as ^(0|1000)$' };
    return { conditions: uids.split('|').map((uid) => ({ uid: Number(uid) })) };
  }
  if (kind === 'CGROUP_V2') {
    const glob = globOf(regex);
    return glob === undefined
      ? { problem: 'only a pattern without alternatives can be converted to `cgroup`, a glob' }
      : { conditions: [{ cgroup: glob }] };
  }
  if (kind === 'CGROUP_V1')
    return { problem: 'there are no conditions on the cgroup of another hierarchy; use `cgroup`' };
  return { problem: 'there is no such condition here; use prefer or avoid with another one' };
}

/** nohang has Python's regular expressions. @returns what cannot be read here; undefined: the pattern is the same here */
function readable(regex: string): { problem: string } | undefined {
  try {
    new Pattern(regex);
    return undefined;
  } catch (error) {
    return { problem: `the pattern cannot be read: ${(error as Error).message}` };
  }
}

/** A regular expression of plain characters, ".*" and "." as a glob; undefined: it is more than that. */
function globOf(regex: string): string | undefined {
  const [, start, body = '', end] = /^(\^?)(.*?)(\$?)$/.exec(regex) ?? [];
  const parts = body.match(/\.\*|\\[.\-/@]|[\w/@:-]|\./g) ?? [];
  if (parts.join('') !== body) return undefined;
  const glob = parts.map((part) => (part === '.*' ? '*' : part === '.' ? '?' : part.replace('\\', ''))).join('');
  return `${start === '^' ? '' : '*'}${glob}${end === '$' ? '' : '*'}`.replaceAll(/\*+/g, '*');
}
