/** The task table: its title, its column names and its rows (mm/oom_kill.c: dump_tasks, dump_task). */
import { int } from './digits.ts';
import type { LineKind } from './parsed-line.ts';

const COLUMNS = /^\[\s*pid\s*\](?<names>(?:\s+[a-z_]+){5,})\s*$/;
const ROW = /^\[\s*(?<pid>\d+)\] +(?<rest>\d+(?: +-?\d+){5,10} .*)$/s;

const startsWithBracket = (text: string) => text.charCodeAt(0) === 0x5b;

export const rows: readonly LineKind[] = [
  { likely: startsWithBracket, pattern: ROW, read: ({ pid, rest = '' }) => ({ is: 'task', pid: int(pid), rest }) },
  {
    likely: startsWithBracket,
    pattern: COLUMNS,
    read: ({ names = '' }) => ({ is: 'columns', names: names.trim().split(/\s+/) }),
  },
];

export const title: LineKind = {
  likely: (text) => text.startsWith('Tasks state'),
  pattern: /^Tasks state \(memory values in pages\):/,
  read: () => ({ is: 'columns', names: [] }),
};
