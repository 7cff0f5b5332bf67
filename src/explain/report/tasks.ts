/** Reads the rows of the task table, whose columns differ by kernel version (mm/oom_kill.c: dump_tasks, dump_task). */
import type { ReportTask } from '../../model/oom-report.ts';
import { fromOomAdj } from '../lines/head-lines.ts';

/** The columns of a table without column names, by the number of figures in its rows. */
const SHAPES: Record<number, string[]> = {
  10: [
    'uid',
    'tgid',
    'total_vm',
    'rss',
    'rss_anon',
    'rss_file',
    'rss_shmem',
    'pgtables_bytes',
    'swapents',
    'oom_score_adj',
  ],
  8: ['uid', 'tgid', 'total_vm', 'rss', 'nr_ptes', 'nr_pmds', 'swapents', 'oom_score_adj'],
  // The fifth and sixth figures differ by kernel (page tables in pages or in bytes, swap, a CPU), so they are not read.
  7: ['uid', 'tgid', 'total_vm', 'rss', '', '', 'oom_score_adj'],
};

export interface Table {
  tasks: ReportTask[];
  /** Rows that do not fit the columns. */
  faulty: string[];
}

/** @param columns the column names, "name" last; empty when the log does not have them */
export function readTasks(rows: ReadonlyMap<number, string>, columns: readonly string[], pageBytes: number): Table {
  const tasks: ReportTask[] = [];
  const faulty: string[] = [];
  const shape = columns.length > 0 ? columns.slice(0, -1) : shapeOf(rows);
  for (const [pid, rest] of rows) {
    const task = shape && readTask(pid, rest, shape, pageBytes);
    if (task) tasks.push(task);
    else faulty.push(`[${pid}] ${rest}`);
  }
  return { tasks, faulty };
}

/** The columns that most rows fit. A process name may begin with digits, so that its row seems to have more figures. */
function shapeOf(rows: ReadonlyMap<number, string>): string[] | undefined {
  const votes = new Map<number, number>();
  for (const rest of rows.values()) {
    const numbers = /^-?\d+(?: +-?\d+)*(?= )/.exec(rest)?.[0].split(/ +/).length ?? 0;
    votes.set(numbers, (votes.get(numbers) ?? 0) + 1);
  }
  const [most] = [...votes].sort((a, b) => b[1] - a[1]);
  return most && SHAPES[most[0]];
}

const rows = new Map<number, RegExp>();

/** A pattern for `count` numbers and a name. */
function rowOf(count: number): RegExp {
  let row = rows.get(count);
  if (!row) {
    row = new RegExp(`^((?:-?\\d+ +){${count - 1}}-?\\d+) (.*)$`, 's');
    rows.set(count, row);
  }
  return row;
}

function readTask(tid: number, rest: string, shape: readonly string[], pageBytes: number): ReportTask | undefined {
  const match = rowOf(shape.length).exec(rest);
  if (!match) return undefined;
  const numbers = (match[1] ?? '').split(/ +/).map(Number);
  const value = (name: string): number | null => numbers[shape.indexOf(name)] ?? null;
  const pages = (name: string) => {
    const count = value(name);
    return count === null ? null : count * pageBytes;
  };
  const oldAdj = value('oom_adj');
  const adj = value('oom_score_adj') ?? (oldAdj === null ? null : fromOomAdj(oldAdj));
  const [uid, pid, total, rss] = [value('uid'), value('tgid'), pages('total_vm'), pages('rss')];
  if (uid === null || pid === null || total === null || rss === null || adj === null) return undefined;
  const tables = pages('nr_ptes');
  const cpu = value('cpu');
  const task = {
    pid,
    tid,
    uid,
    comm: (match[2] ?? '').trimEnd(),
    total_vm_bytes: total,
    rss_bytes: rss,
    anon_rss_bytes: pages('rss_anon'),
    file_rss_bytes: pages('rss_file'),
    shmem_rss_bytes: pages('rss_shmem'),
    page_tables_bytes: value('pgtables_bytes') ?? (tables === null ? null : tables + (pages('nr_pmds') ?? 0)),
    swap_bytes: pages('swapents'),
    ...(cpu === null ? {} : { cpu }),
    oom_score_adj: adj,
    badness_pages: null,
  };
  const sizes = Object.values(task).filter((one) => typeof one === 'number');
  return sizes.every((size) => Number.isSafeInteger(size)) && Math.abs(adj) <= 1000 && rss >= 0 && total >= 0
    ? task
    : undefined;
}
