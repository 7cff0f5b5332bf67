/**
 * One line of an OOM report, understood. The patterns follow the kernel's format strings from 2.6.32 to 7.x: mm/oom_kill.c,
 * mm/memcontrol.c, mm/show_mem.c (mm/page_alloc.c, lib/show_mem.c), kernel/printk, lib/dump_stack.c.
 *
 * A name holds any byte, so it ends where the *last* match of what follows it begins.
 */
import { int, tookDisbelief, units } from './digits.ts';
import { type MemInfo, parseMemInfo } from './mem-info.ts';

export type ParsedLine =
  | {
      is: 'invoked';
      comm: string;
      mask: string;
      names: string | null;
      order: number;
      adj: number | null;
      nodemask: string | null;
    }
  | { is: 'sysrq' }
  | { is: 'cpuset'; comm: string; cpuset: string; mems: string }
  | { is: 'cpu'; cpu: number | null; uid: number | null; pid: number; comm: string; kernel: string | null }
  | { is: 'trace' }
  | { is: 'frame'; name: string; sure: boolean }
  | { is: 'machine' }
  | { is: 'task_in'; task: string; limit: string }
  | {
      is: 'counter';
      counter: 'memory' | 'memory+swap' | 'swap' | 'kmem';
      usage: number;
      limit: number;
      failures: number | null;
    }
  | { is: 'stats_of'; path: string; values: Record<string, number> }
  | { is: 'stat'; key: string; value: number }
  | { is: 'memory'; info: MemInfo }
  | { is: 'columns'; names: string[] }
  /** `rest`: the numbers and the name, which only the columns can tell apart. */
  | { is: 'task'; pid: number; rest: string }
  | {
      is: 'summary';
      constraint: string;
      nodemask: string | null;
      cpuset: string;
      mems: string;
      limit: string | null;
      task: string | null;
      comm: string;
      pid: number;
      uid: number;
    }
  | { is: 'chosen'; why: string; pid: number; comm: string; score: number }
  | {
      is: 'killed';
      why: string | null;
      pid: number;
      comm: string;
      uid: number | null;
      kib: Partial<Record<KilledSize, number>>;
      adj: number | null;
    }
  | { is: 'group'; path: string }
  | { is: 'nobody' }
  | { is: 'panic'; text: string }
  | { is: 'reaped'; pid: number; comm: string; anon: number; file: number; shmem: number }
  | { is: 'unreapable'; pid: number; comm: string };

export type KilledSize = 'total-vm' | 'anon-rss' | 'file-rss' | 'shmem-rss' | 'pgtables';

const maybe = (digits: string | undefined) => (digits === undefined ? null : int(digits));

const INVOKED =
  /^(?<comm>.*) invoked oom-killer: gfp_mask=(?<mask>0x[0-9a-f]{1,8}|0)(?:\((?<names>[^)]*)\))?, (?:nodemask=(?<nodemask>[^ ]*), )?order=(?<order>-?\d+)(?:, (?:oomkilladj|oom_adj)=(?<oldAdj>-?\d+))?(?:, oom_score_adj=(?<adj>-?\d+))?\s*$/s;
const CPUSET = /^(?<comm>.*) cpuset=(?<cpuset>.*) mems_allowed=(?<mems>[\d,-]*)\s*$/s;
const CPU =
  /^CPU: (?<cpu>\d+) (?:UID: (?<uid>\d+) )?PID: (?<pid>\d+) Comm: (?<comm>.*?) (?:Kdump: loaded )?(?:Not tainted|Tainted: [A-Z [\]=,-]+?) (?<kernel>\d\S*)/s;
/** Before 3.10. */
const OLD_CPU = /^Pid: (?<pid>\d+), comm: (?<comm>.*?) (?:Not tainted|Tainted: [A-Z -]+?) (?<kernel>\d\S*)/s;
const FRAME = /^\s*(?:\[<[0-9a-f]+>\]\s*)?(?<unsure>\? )?(?<name>[A-Za-z_][\w.]*)\+0x[0-9a-f]+\/0x[0-9a-f]+/;
const TRACE = /^(?:Call [Tt]race:|Backtrace:|\s*<\/?(?:TASK|IRQ|EOI|NMI|SOFTIRQ)>)/;
const MACHINE =
  /^(?:Hardware name: |Workqueue: |Tainted: |RIP: |RSP: |Code: |R[A-D]X: |RBP: |R\d\d: |[FGE]S: |CS: |CR2: |ORIG_RAX)/;
const TASK_IN = /^Task in (?<task>.*) killed as a result of limit of (?<limit>.*?)\s*$/s;
const COUNTER =
  /^(?<counter>memory\+swap|memory|swap|kmem): usage (?<usage>\d+)kB, limit (?<limit>\d+)kB(?:, failcnt (?<failures>\d+))?\s*$/;
const STATS_OF = /^Memory cgroup stats for (?<path>.*?):(?<rest>(?: [a-z_]+:\d+KB)*)\s*$/s;
const STAT = /^(?<key>[a-z][a-z0-9_]*) (?<value>\d+)\s*$/;
const COLUMNS = /^\[\s*pid\s*\](?<names>(?:\s+[a-z_]+){5,})\s*$/;
const TASK = /^\[\s*(?<pid>\d+)\] +(?<rest>\d+(?: +-?\d+){5,10} .*)$/s;
const SUMMARY =
  /^oom-kill:constraint=(?<constraint>CONSTRAINT_[A-Z_]+),nodemask=(?<nodemask>[^=]*?),cpuset=(?<cpuset>.*?),mems_allowed=(?<mems>[\d,-]*?)(?:,oom_memcg=(?<limit>.*?)|,global_oom)?(?:,task_memcg=(?<task>.*?))?,task=(?<comm>.*),pid=(?<pid>\d+),uid=(?<uid>\d+)\s*$/s;
const CHOSEN =
  /^(?<why>[A-Z][^:]{1,80}?): [Kk]ill process (?<pid>\d+) \((?<comm>.*)\) score (?<score>\d+) or (?:sacrifice child|a child)\s*$/s;
const KILLED =
  /^(?:(?<why>[^:]{1,80}): )?Killed process (?<pid>\d+)(?:, UID (?<uidBefore>\d+),)? \((?<comm>.*)\)(?:, UID (?<uidAfter>\d+),)?(?<sizes>(?:,? (?:total-vm|anon-rss|file-rss|shmem-rss|UID|pgtables|oom_score_adj):-?\d+(?:kB)?)*)\s*$/s;
/** Others kill, too, and say so in the same log. */
const MEMORY = /memory/i;
const GROUP = /^Tasks in (?<path>.*) are going to be killed due to memory\.oom\.group set\s*$/s;
const NOBODY = /^Out of memory and no killable processes/;
const PANIC = /^Kernel panic - not syncing: (?<text>.*(?:[Oo]ut of memory|deadlocked on memory).*?)\s*$/s;
const REAPED =
  /^oom_reaper: reaped process (?<pid>\d+) \((?<comm>.*)\),? now anon-rss:(?<anon>\d+)kB, file-rss:(?<file>\d+)kB, shmem-rss:(?<shmem>\d+)(?:kB|lB)\s*$/s;
const UNREAPABLE = /^oom_reaper: unable to reap pid:(?<pid>\d+) \((?<comm>.*)\)\s*$/s;
const SYSRQ = /^(?:SysRq|sysrq) ?: Manual OOM execution/;

/** undefined: not of an OOM report. */
export function readFact(text: string): ParsedLine | undefined {
  tookDisbelief();
  const found = recognise(text);
  return found && !tookDisbelief() && believable(found) ? found : undefined;
}

/** Does it look as if it should have been understood? Its words are there, and the line is not as the kernel writes it. */
export function isFaulty(text: string): boolean {
  return / invoked oom-killer:|^oom-kill:constraint=|^(?:[^:]*[Oo]ut of memory[^:]*: )?Kill(?:ed)? process |^oom_reaper: reaped/.test(
    text,
  );
}

function recognise(text: string): ParsedLine | undefined {
  let g: Record<string, string | undefined> | undefined;
  const is = (pattern: RegExp): boolean => {
    g = pattern.exec(text)?.groups;
    return g !== undefined;
  };
  // g is set by is(), which the compiler cannot see.
  const get = (name: string) => (g as Record<string, string | undefined>)[name];
  const all = (name: string) => get(name) ?? '';
  const first = text.charCodeAt(0);
  if (first === 0x5b /* [ */) {
    if (is(TASK)) return { is: 'task', pid: int(get('pid')), rest: all('rest') };
    if (is(COLUMNS)) return { is: 'columns', names: all('names').trim().split(/\s+/) };
  }
  if (text.includes('oom-killer') && is(INVOKED)) {
    const old = maybe(get('oldAdj'));
    const adj = maybe(get('adj')) ?? (old === null ? null : fromOomAdj(old));
    const nodemask = get('nodemask');
    return {
      is: 'invoked',
      comm: all('comm'),
      mask: all('mask'),
      names: get('names') ?? null,
      order: int(get('order')),
      adj,
      nodemask: nodemask === undefined || nodemask === '(null)' ? null : nodemask,
    };
  }
  if (text.startsWith('oom-kill:') && is(SUMMARY)) {
    const nodemask = all('nodemask');
    return {
      is: 'summary',
      constraint: all('constraint'),
      nodemask: nodemask === '(null)' ? null : nodemask,
      cpuset: all('cpuset'),
      mems: all('mems'),
      limit: get('limit') ?? null,
      task: get('task') ?? null,
      comm: all('comm'),
      pid: int(get('pid')),
      uid: int(get('uid')),
    };
  }
  if (text.includes('Killed process ') && is(KILLED) && MEMORY.test(get('why') ?? 'memory')) return killed(get);
  if (text.includes('ill process ') && is(CHOSEN))
    return { is: 'chosen', why: all('why'), pid: int(get('pid')), comm: all('comm'), score: int(get('score')) };
  if (text.startsWith('oom_reaper')) {
    if (is(REAPED))
      return {
        is: 'reaped',
        pid: int(get('pid')),
        comm: all('comm'),
        anon: units(get('anon')),
        file: units(get('file')),
        shmem: units(get('shmem')),
      };
    if (is(UNREAPABLE)) return { is: 'unreapable', pid: int(get('pid')), comm: all('comm') };
  }
  if (is(COUNTER))
    return {
      is: 'counter',
      counter: all('counter') as 'memory',
      usage: units(get('usage')),
      limit: Math.min(Number(get('limit')), Number.MAX_SAFE_INTEGER),
      failures: maybe(get('failures')),
    };
  if (is(STAT)) return { is: 'stat', key: all('key'), value: int(get('value')) };
  if (text.startsWith('Memory cgroup stats for ') && is(STATS_OF))
    return { is: 'stats_of', path: all('path'), values: inlineStats(all('rest')) };
  if (text.startsWith('Task')) {
    if (text.startsWith('Tasks state (memory values in pages):')) return { is: 'columns', names: [] };
    if (is(TASK_IN)) return { is: 'task_in', task: all('task'), limit: all('limit') };
    if (is(GROUP)) return { is: 'group', path: all('path') };
  }
  if (is(CPU) || is(OLD_CPU))
    return {
      is: 'cpu',
      cpu: maybe(get('cpu')),
      uid: maybe(get('uid')),
      pid: int(get('pid')),
      comm: all('comm'),
      kernel: get('kernel') ?? null,
    };
  if (is(PANIC)) return { is: 'panic', text: all('text') };
  if (NOBODY.test(text)) return { is: 'nobody' };
  if (SYSRQ.test(text)) return { is: 'sysrq' };
  if (TRACE.test(text)) return { is: 'trace' };
  if (is(FRAME)) return { is: 'frame', name: all('name'), sure: get('unsure') === undefined };
  if (MACHINE.test(text)) return { is: 'machine' };
  if (text.includes(' mems_allowed=') && is(CPUSET))
    return { is: 'cpuset', comm: all('comm'), cpuset: all('cpuset'), mems: all('mems') };
  const info = parseMemInfo(text);
  return info && { is: 'memory', info };
}

function killed(get: (name: string) => string | undefined): ParsedLine {
  const sizes = [...(get('sizes') ?? '').matchAll(/([\w-]+):(-?\d+)/g)].map(
    ([, key = '', value]) => [key, units(value)] as const,
  );
  const { UID, oom_score_adj, ...kib } = Object.fromEntries(sizes);
  const uid = maybe(get('uidBefore')) ?? maybe(get('uidAfter')) ?? UID ?? null;
  return {
    is: 'killed',
    why: get('why') ?? null,
    pid: int(get('pid')),
    comm: get('comm') ?? '',
    uid,
    kib,
    adj: oom_score_adj ?? null,
  };
}

function inlineStats(text: string): Record<string, number> {
  return Object.fromEntries(
    [...text.matchAll(/([a-z_]+):(\d+)KB/g)].map(([, key = '', kib]) => [key, units(kib) * 1024]),
  );
}

/** fs/proc/base.c: how the kernel turns oom_adj (-17 to 15) into oom_score_adj. */
export function fromOomAdj(adj: number): number {
  return adj === 15 ? 1000 : Math.trunc((adj * 1000) / 17);
}

/** Nothing that a kernel cannot mean: such a line is a warning, not a fact. */
function believable(fact: ParsedLine): boolean {
  if ('pid' in fact && fact.pid > MOST_PID) return false;
  if ('adj' in fact && fact.adj !== null && Math.abs(fact.adj) > 1000) return false;
  return !(fact.is === 'invoked' && (fact.order < -1 || fact.order > MOST_ORDER));
}

/** include/linux/threads.h: PID_MAX_LIMIT. */
const MOST_PID = 4 * 1024 * 1024;
const MOST_ORDER = 64;
