/** The beginning of a report: who asked, where, and the stack (mm/oom_kill.c: dump_header; lib/dump_stack.c). */
import { int, maybe } from './digits.ts';
import type { LineKind } from './parsed-line.ts';

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
const SYSRQ = /^(?:SysRq|sysrq) ?: Manual OOM execution/;

/** The kernel prints an unset nodemask as "(null)". */
export const maskOf = (nodemask: string | undefined) =>
  nodemask === undefined || nodemask === '(null)' ? null : nodemask;

/** fs/proc/base.c: how the kernel turns oom_adj (-17 to 15) into oom_score_adj. */
export function fromOomAdj(adj: number): number {
  return adj === 15 ? 1000 : Math.trunc((adj * 1000) / 17);
}

export const invoked: LineKind = {
  likely: (text) => text.includes('oom-killer'),
  pattern: INVOKED,
  read: ({ comm = '', mask = '', names, order, adj, oldAdj, nodemask }) => {
    const old = maybe(oldAdj);
    return {
      is: 'invoked',
      comm,
      mask,
      names: names ?? null,
      order: int(order),
      adj: maybe(adj) ?? (old === null ? null : fromOomAdj(old)),
      nodemask: maskOf(nodemask),
    };
  },
};

const cpu: LineKind['read'] = ({ cpu: number, uid, pid, comm = '', kernel }) => ({
  is: 'cpu',
  cpu: maybe(number),
  uid: maybe(uid),
  pid: int(pid),
  comm,
  kernel: kernel ?? null,
});

export const asker: readonly LineKind[] = [
  { likely: (text) => text.startsWith('CPU: '), pattern: CPU, read: cpu },
  { likely: (text) => text.startsWith('Pid: '), pattern: OLD_CPU, read: cpu },
];

export const stack: readonly LineKind[] = [
  { pattern: SYSRQ, read: () => ({ is: 'sysrq' }) },
  { pattern: TRACE, read: () => ({ is: 'trace' }) },
  { pattern: FRAME, read: ({ name = '', unsure }) => ({ is: 'frame', name, sure: unsure === undefined }) },
  { pattern: MACHINE, read: () => ({ is: 'machine' }) },
  {
    likely: (text) => text.includes(' mems_allowed='),
    pattern: CPUSET,
    read: ({ comm = '', cpuset = '', mems = '' }) => ({ is: 'cpuset', comm, cpuset, mems }),
  },
];
