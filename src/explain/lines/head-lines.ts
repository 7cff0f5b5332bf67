/** The first lines of a report: the allocating task, its CPU, and its stack (dump_header(), dump_stack()). */
import { int, maybe } from './digits.ts';
import type { LineKind } from './parsed-line.ts';

/**
 * The fields after the name are parsed one by one, because their order, spacing and number differ by kernel version.
 */
const INVOKED = /^(?<comm>.*?)\s+invoked oom-killer\b(?::\s*(?<rest>.*))?$/s;
const CPUSET = /^(?<comm>.*) cpuset=(?<cpuset>.*) mems_allowed=(?<mems>[\d,-]*)\s*$/s;
const CPU =
  /^CPU: (?<cpu>\d+) (?:UID: (?<uid>\d+) )?PID: (?<pid>\d+) Comm: (?<comm>.*?) (?:Kdump: loaded )?(?:Not tainted ?|Tainted: (?<taints>[A-Z [\]=,-]+?) )(?<kernel>\d\S*)/s;
/** The greatest length of a process name: TASK_COMM_LEN without the NUL. */
export const MOST_COMM = 15;
/** The form of the "CPU:" line before Linux 3.10. */
const OLD_CPU =
  /^Pid: (?<pid>\d+), comm: (?<comm>.*?) (?:Not tainted ?|Tainted: (?<taints>[A-Z -]+?) )(?<kernel>\d\S*)/s;
const FRAME = /^\s*(?:\[<[0-9a-f]+>\]\s*)?(?<unsure>\? )?(?<name>[A-Za-z_][\w.]*)\+0x[0-9a-f]+\/0x[0-9a-f]+/;
/** A stack frame on 32-bit ARM: the function, " from ", and its caller with an offset. */
const ARM_FRAME =
  /^\s*(?:\[<[0-9a-f]+>\]\s*)?\(?(?<name>[A-Za-z_][\w.]*)(?:\+0x[0-9a-f]+\/0x[0-9a-f]+)?\)? from (?:\[<[0-9a-f]+>\]\s*)?\(?[A-Za-z_][\w.]*\+0x/;
const TRACE = /^(?:Call [Tt]race:|Backtrace:|\s*<\/?(?:TASK|IRQ|EOI|NMI|SOFTIRQ)>)/;
const MACHINE = /^(?:Workqueue: |Tainted: |RIP: |RSP: |Code: |R[A-D]X: |RBP: |R\d\d: |[FGE]S: |CS: |CR2: |ORIG_RAX)/;
const HARDWARE = /^Hardware name: (?<name>\S.*?)\s*$/s;
const SYSRQ = /^(?:sysrq: )?(?:SysRq|sysrq) ?: Manual OOM execution/;
const COMPACTION = /^COMPACTION is disabled!!!/;

/** The kernel prints an unset nodemask as "(null)". */
export const maskOf = (nodemask: string | undefined) =>
  nodemask === undefined || nodemask === '(null)' ? null : nodemask;

/** Converts oom_adj (-17 to 15) to oom_score_adj, as fs/proc/base.c does. */
export function fromOomAdj(adj: number): number {
  return adj === 15 ? 1000 : Math.trunc((adj * 1000) / 17);
}

export const invoked: LineKind = {
  likely: (text) => text.includes(' invoked oom-killer'),
  pattern: INVOKED,
  read: ({ comm = '', rest = '' }) => {
    const field = (pattern: RegExp) => pattern.exec(rest)?.[1];
    const [, mask, names] =
      /\bgfp_mask=(?:(0x[0-9a-f]{1,8}|0)(?![0-9a-fx*])|0x[0-9a-f]*\*+)(?:\(([^)]*)\))?/.exec(rest) ?? [];
    const order = field(/\border=(-?\d+)(?!\d)/);
    const adj = field(/\boom_score_adj=(-?\d+)(?!\d)/);
    const oldAdj = field(/\b(?:oomkilladj|oom_adj)=(-?\d+)(?!\d)/);
    const found = [mask, order, adj, oldAdj].filter((one) => one !== undefined);
    // A sentence about the OOM killer in another text has none of the fields.
    if (found.length === 0 && (rest !== '' || comm.length > MOST_COMM)) return undefined;
    const old = maybe(oldAdj);
    return {
      is: 'invoked',
      comm,
      mask: mask ?? null,
      names: names?.replaceAll(/\s+/g, '') || null,
      order: maybe(order),
      adj: maybe(adj) ?? (old === null ? null : fromOomAdj(old)),
      nodemask: maskOf(field(/\bnodemask=(\(null\)|\d[\d-]*(?:,\d[\d-]*)*)/)),
    };
  },
};

const cpu: LineKind['read'] = ({ cpu: number, uid, pid, comm = '', taints = '', kernel }) => ({
  is: 'cpu',
  cpu: maybe(number),
  uid: maybe(uid),
  pid: int(pid),
  comm,
  kernel: kernel ?? null,
  taints: taints.replaceAll(/=[A-Z_]+|[^A-Z]/g, ''),
});

export const asker: readonly LineKind[] = [
  { likely: (text) => text.startsWith('CPU: '), pattern: CPU, read: cpu },
  { likely: (text) => text.startsWith('Pid: '), pattern: OLD_CPU, read: cpu },
];

export const stack: readonly LineKind[] = [
  { pattern: COMPACTION, read: () => ({ is: 'compaction' }) },
  { pattern: SYSRQ, read: () => ({ is: 'sysrq' }) },
  { pattern: TRACE, read: () => ({ is: 'trace' }) },
  {
    likely: (text) => / from [[(A-Za-z_]/.test(text),
    pattern: ARM_FRAME,
    read: ({ name = '' }) => ({ is: 'frame', name, sure: true }),
  },
  { pattern: FRAME, read: ({ name = '', unsure }) => ({ is: 'frame', name, sure: unsure === undefined }) },
  {
    likely: (text) => text.startsWith('Hardware name: '),
    pattern: HARDWARE,
    read: ({ name = '' }) => ({ is: 'hardware', name }),
  },
  { pattern: MACHINE, read: () => ({ is: 'machine' }) },
  {
    likely: (text) => text.includes(' mems_allowed='),
    pattern: CPUSET,
    read: ({ comm = '', cpuset = '', mems = '' }) => ({ is: 'cpuset', comm, cpuset, mems }),
  },
];
