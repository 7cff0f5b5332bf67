/**
 * The last lines of a report (mm/oom_kill.c, mm/memcontrol.c): the "oom-kill:" summary, the "Kill process" line, the
 * "Killed process" line, the lines of oom_reaper, or a panic.
 */
import { int, maybe, units } from './digits.ts';
import { maskOf } from './head-lines.ts';
import type { Groups, KilledSize, LineKind, ParsedLine } from './parsed-line.ts';

const SUMMARY =
  /^oom-kill:constraint=(?<constraint>CONSTRAINT_[A-Z_]+),nodemask=(?<nodemask>[^=]*?),cpuset=(?<cpuset>.*?),mems_allowed=(?<mems>[\d,-]*?)(?:,oom_memcg=(?<limit>.*?)|,global_oom)?(?:,task_memcg=(?<task>.*?))?,task=(?<comm>.*),pid=(?<pid>\d+),uid=(?<uid>\d+)\s*$/s;
const CHOSEN =
  /^(?<why>[A-Z][^:]{1,80}?): [Kk]ill process (?<pid>\d+) \((?<comm>.*)\) score (?<score>\d+) or (?:sacrifice child|a child)\s*$/s;
const KILLED =
  /^(?:(?<why>[^:]{1,80}): )?Killed process (?<pid>\d+)(?:, UID (?<uidBefore>\d+),)? \((?<comm>.*)\)(?:, UID (?<uidAfter>\d+),)?(?<sizes>(?:,? (?:total-vm|anon-rss|file-rss|shmem-rss|UID|pgtables|oom_score_adj):-?\d+(?:kB)?)*)\s*$/s;
/**
 * Patterns for the same lines when they are cut, shortened or have an unknown field: a field that is cut becomes null.
 */
/** The offset of a frame that is cut. */
const CUT_FRAME = /^\s*\[<[0-9a-f]+>\]\s*(?<unsure>\? )?(?<name>[A-Za-z_][\w.]*)\+0x[0-9a-f]+$/;
const CUT_SUMMARY = /^oom-kill:\s*constraint=(?<constraint>CONSTRAINT_[A-Z_]+)(?<rest>(?:,.*)?)$/s;
const CUT_CHOSEN =
  /^(?<why>[A-Z][^:]{1,80}?): [Kk]ill process (?<pid>\d+) \((?<comm>.*?)\)(?: score (?<score>\d+)(?= ))?(?<rest>.*)$/s;
const CUT_KILLED =
  /^(?:(?<why>[^:]{1,80}): )?Killed process (?<pid>\d+),?(?: UID (?<uidBefore>\d+),?)? ?\((?<comm>.*?)\)(?<rest>.*)$/s;
const CUT_REAPED = /^oom_reaper: reaped process (?<pid>\d+) \((?<comm>.*?)\)(?<rest>.*)$/s;
const NO_VICTIM = /^Out of memory and no killable processes/;
const PANIC = /^Kernel panic - not syncing: (?<text>.*(?:[Oo]ut of memory|deadlocked on memory).*?)\s*$/s;
const REAPED =
  /^oom_reaper: reaped process (?<pid>\d+) \((?<comm>.*)\),? now anon-rss:(?<anon>\d+)kB, file-rss:(?<file>\d+)kB, shmem-rss:(?<shmem>\d+)(?:kB|lB)\s*$/s;
const UNREAPABLE = /^oom_reaper: unable to reap pid:(?<pid>\d+) \((?<comm>.*)\)\s*$/s;

const startsWithReaper = (text: string) => text.startsWith('oom_reaper');

export const kills: readonly LineKind[] = [
  {
    likely: (text) => text.startsWith('oom-kill:'),
    pattern: SUMMARY,
    read: ({ constraint = '', nodemask, cpuset = '', mems = '', limit, task, comm = '', pid, uid }) => ({
      is: 'summary',
      constraint,
      nodemask: maskOf(nodemask),
      cpuset,
      mems,
      limit: limit ?? null,
      task: task ?? null,
      comm,
      pid: int(pid),
      uid: int(uid),
    }),
  },
  { likely: (text) => text.includes('Killed process '), pattern: KILLED, read: killed },
  {
    likely: (text) => text.includes('ill process '),
    pattern: CHOSEN,
    read: ({ why = '', pid, comm = '', score }) => ({ is: 'chosen', why, pid: int(pid), comm, score: int(score) }),
  },
  {
    likely: startsWithReaper,
    pattern: REAPED,
    read: ({ pid, comm = '', anon, file, shmem }) => ({
      is: 'reaped',
      pid: int(pid),
      comm,
      anon: units(anon),
      file: units(file),
      shmem: units(shmem),
    }),
  },
  {
    likely: startsWithReaper,
    pattern: UNREAPABLE,
    read: ({ pid, comm = '' }) => ({ is: 'unreapable', pid: int(pid), comm }),
  },
];

/** These are tried last, because here a name ends at its first ")", and a process can have a ")" in its name. */
export const cuts: readonly LineKind[] = [
  {
    likely: (text) => text.startsWith('[<') || text.startsWith(' [<'),
    pattern: CUT_FRAME,
    read: ({ name = '', unsure }) => ({ is: 'frame', name, sure: unsure === undefined }),
  },
  { likely: (text) => text.startsWith('oom-kill:'), pattern: CUT_SUMMARY, read: cutSummary },
  { likely: (text) => text.includes('Killed process '), pattern: CUT_KILLED, read: cutKilled },
  {
    likely: (text) => text.includes('ill process '),
    pattern: CUT_CHOSEN,
    read: ({ why = '', pid, comm = '', score }) => ({ is: 'chosen', why, pid: int(pid), comm, score: maybe(score) }),
  },
  {
    likely: startsWithReaper,
    pattern: CUT_REAPED,
    read: ({ pid, comm = '', rest = '' }) => ({
      is: 'reaped',
      pid: int(pid),
      comm,
      anon: kibIn(rest, 'anon-rss'),
      file: kibIn(rest, 'file-rss'),
      shmem: kibIn(rest, 'shmem-rss'),
    }),
  },
];

export const endings: readonly LineKind[] = [
  {
    likely: (text) => text.startsWith('Kernel panic'),
    pattern: PANIC,
    read: ({ text = '' }) => ({ is: 'panic', text }),
  },
  { likely: (text) => text.startsWith('Out of memory and'), pattern: NO_VICTIM, read: () => ({ is: 'no_victim' }) },
];

function killed({ why, pid, comm = '', sizes = '', uidBefore, uidAfter }: Groups): ParsedLine | undefined {
  // Other programs log their kills in the same words. The kernel's reason always contains "memory".
  if (why !== undefined && !/memory/i.test(why)) return undefined;
  const fields = [...sizes.matchAll(/([\w-]+):(-?\d+)/g)].map(([, key = '', value]) => [key, units(value)] as const);
  const { UID, oom_score_adj: adj, ...kib } = Object.fromEntries(fields);
  return {
    is: 'killed',
    why: why ?? null,
    pid: int(pid),
    comm,
    uid: maybe(uidBefore) ?? maybe(uidAfter) ?? UID ?? null,
    kib,
    adj: adj ?? null,
    cut: false,
  };
}

/** null: the size or its unit is missing. */
function kibIn(text: string, name: string): number | null {
  const digits = new RegExp(`${name}:(\\d+)kB`).exec(text)?.[1];
  return digits === undefined ? null : units(digits);
}

function cutKilled({ why, pid, comm = '', uidBefore, rest = '' }: Groups): ParsedLine | undefined {
  if (why !== undefined && !/memory/i.test(why)) return undefined;
  const kib: Partial<Record<KilledSize, number>> = {};
  for (const [, name = '', digits] of rest.matchAll(/([a-z-]+):(\d+)kB/g)) {
    const key = name === 'vsz' ? 'total-vm' : name;
    if (SIZES.has(key)) kib[key as KilledSize] = units(digits);
  }
  const field = (pattern: RegExp) => maybe(pattern.exec(rest)?.[1]);
  return {
    is: 'killed',
    why: why ?? null,
    pid: int(pid),
    comm,
    uid: maybe(uidBefore) ?? field(/\bUID:? ?(\d+)(?=[ ,.])/),
    kib,
    adj: field(/\boom_score_adj:(-?\d+)\b/),
    cut: true,
  };
}

const SIZES = new Set<string>(['total-vm', 'anon-rss', 'file-rss', 'shmem-rss', 'pgtables']);
/** The fields of the "oom-kill:" summary, and a pattern for the values of each. */
const FIELDS: Record<string, RegExp> = {
  nodemask: /^(?:\(null\)|[\d,-]*)$/,
  cpuset: /^\S*$/,
  mems_allowed: /^[\d,-]*$/,
  oom_memcg: /^\S*$/,
  task_memcg: /^\S*$/,
  task: /^[^,=]{0,15}$/,
  pid: /^\d+$/,
  uid: /^\d+$/,
};

function cutSummary({ constraint = '', rest = '' }: Groups): ParsedLine | undefined {
  const values: Record<string, string> = {};
  for (const [, key = '', value = ''] of rest.matchAll(
    /(?<=[,\s])(\w+)=((?:\(null\)|[^=\s]*?))(?=\s*,\s*\w+[=,]|,global_oom|,?\s*\.\.\.|\s*$)/g,
  )) {
    const form = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
    if (!form) continue;
    if (!form.test(value)) return undefined;
    values[key] = value;
  }
  if (Object.keys(values).length === 0) return undefined;
  return {
    is: 'summary',
    constraint,
    nodemask: maskOf(values.nodemask),
    cpuset: values.cpuset ?? null,
    mems: values.mems_allowed ?? null,
    limit: values.oom_memcg ?? null,
    task: values.task_memcg ?? null,
    comm: values.task ?? null,
    pid: maybe(values.pid),
    uid: maybe(values.uid),
  };
}
