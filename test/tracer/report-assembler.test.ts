import { expect, test } from 'vitest';
import { LogLineFlag, LogLineRecord } from '../../src/bpf/wire/layout.ts';
import { type KernelReport, ReportAssembler } from '../../src/tracer/report-assembler.ts';

const { LINE_ENDS, LINE_FIRST, LINE_FORMATTED, LINE_LAST } = LogLineFlag;

/** A record as bpf/report.bpf.c writes it. */
function piece(tid: number, text: string, flags: number, ktimeNs = 1n): LogLineRecord {
  const bytes = Buffer.from(text, 'latin1');
  const view = new DataView(new ArrayBuffer(LogLineRecord.offset.text + bytes.length));
  view.setBigUint64(16, ktimeNs, true);
  view.setBigUint64(LogLineRecord.offset.printer_start_ns, BigInt(tid) * 1000n, true);
  view.setUint32(LogLineRecord.offset.printer_tid, tid, true);
  view.setUint16(LogLineRecord.offset.length, bytes.length, true);
  view.setUint8(LogLineRecord.offset.flags, flags);
  new Uint8Array(view.buffer).set(bytes, LogLineRecord.offset.text);
  return new LogLineRecord(view, 0);
}

function assemble(...pieces: LogLineRecord[]): KernelReport[] {
  const reports: KernelReport[] = [];
  const lines = new ReportAssembler((report) => reports.push(report));
  for (const each of pieces) lines.take(each);
  lines.close();
  return reports;
}

test('joins the pieces of lines, and separates the reports of two tasks that print at the same time', () => {
  const reports = assemble(
    piece(1, 'a invoked oom-killer: ', LINE_ENDS | LINE_FIRST, 10n),
    piece(2, 'b invoked oom-killer: ', LINE_ENDS | LINE_FIRST),
    piece(1, 'RSP: 1', 0),
    piece(2, 'of b', LINE_ENDS),
    piece(1, '', LINE_ENDS),
    piece(1, 'Killed process 1 (a)', LINE_LAST, 20n),
    piece(2, 'Killed process 2 (b)', LINE_LAST | LINE_ENDS),
  );
  expect(reports.map(({ lines }) => lines)).toEqual([
    ['a invoked oom-killer: ', 'RSP: 1', 'Killed process 1 (a)'],
    ['b invoked oom-killer: ', 'of b', 'Killed process 2 (b)'],
  ]);
  expect(reports[0]).toMatchObject({ printer: { tid: 1, startNs: 1000n }, firstNs: 10n, lastNs: 20n, complete: true });
});

test('ends the line "Memory cgroup stats for PATH:" even without a line feed', () => {
  const [report] = assemble(
    piece(1, 'Memory cgroup stats for ', LINE_FIRST),
    piece(1, '/a:', 0),
    piece(1, ':', 0),
    piece(1, 'anon 1', LINE_ENDS),
  );
  expect(report?.lines).toEqual(['Memory cgroup stats for /a::', 'anon 1']);
});

test('removes the prefix of console lines (before 5.19), and leaves the printing task unknown', () => {
  const [report] = assemble(
    piece(5, '[   12.345678][    T5] a invoked oom-killer: x\n', LINE_FORMATTED | LINE_ENDS | LINE_FIRST),
    piece(6, '[   12.345679] Killed process 1 (a)\n', LINE_FORMATTED | LINE_ENDS | LINE_LAST),
  );
  expect(report).toMatchObject({ printer: null, lines: ['a invoked oom-killer: x', 'Killed process 1 (a)'] });
});

const last = LINE_LAST | LINE_ENDS;
const first = LINE_FIRST | LINE_ENDS;
const killed = (pid: number) => `Memory cgroup out of memory: Killed process ${pid} (a)`;
/** The pieces of the line that announces the end of a whole cgroup. */
const tasksIn = (tid: number) => [
  piece(tid, 'Tasks in ', LINE_FIRST),
  piece(tid, '/a', 0),
  piece(tid, ' are going to be killed due to memory.oom.group set', LINE_ENDS),
];

test('joins the lines about all victims of a cgroup (memory.oom.group) to one report', () => {
  const reports = assemble(
    piece(1, 'a invoked oom-killer: ', first),
    piece(1, killed(1), last),
    ...tasksIn(1),
    piece(1, killed(1), last),
    piece(1, killed(2), last, 30n),
    piece(1, 'a invoked oom-killer: ', first),
    piece(1, killed(3), last),
  );
  const announced = 'Tasks in /a are going to be killed due to memory.oom.group set';
  expect(reports.map(({ lines }) => lines)).toEqual([
    ['a invoked oom-killer: ', killed(1), announced, killed(1), killed(2)],
    ['a invoked oom-killer: ', killed(3)],
  ]);
  expect(reports[0]).toMatchObject({ complete: true, lastNs: 30n });
});

test('joins them also before 5.19, but not the kill after a process whose name looks like the announcement', () => {
  const line = (text: string, flags: number) => piece(5, `[   12.345678][    T5] ${text}\n`, flags | LINE_FORMATTED);
  const announced = 'Tasks in /a are going to be killed due to memory.oom.group set';
  const group = assemble(line(killed(1), last), line(announced, first), line(killed(1), last), line(killed(2), last));
  expect(group.map(({ lines }) => lines)).toEqual([[killed(1), announced, killed(1), killed(2)]]);
  const name = 'Tasks in /a invoked oom-killer: ';
  const two = assemble(line(name, first), line(killed(1), last), line(killed(2), last));
  expect(two.map(({ lines }) => lines)).toEqual([[name, killed(1)], [killed(2)]]);
});

test('emits a report at once when another task prints, and else after a moment', async () => {
  const pids: (string | undefined)[] = [];
  const lines = new ReportAssembler((report) => pids.push(report.lines[0]));
  lines.take(piece(1, killed(1), last));
  expect(pids).toEqual([]);
  lines.take(piece(2, killed(2), last));
  expect(pids).toEqual([killed(1)]);
  await expect.poll(() => pids).toEqual([killed(1), killed(2)]);
});

test('marks a report without its last line as incomplete, and escapes control characters', () => {
  const [cut, next] = assemble(
    piece(1, 'a\x1b[2J invoked oom-killer: ', LINE_ENDS | LINE_FIRST),
    piece(1, 'a invoked oom-killer: ', LINE_ENDS | LINE_FIRST),
    piece(1, 'Killed process 1 (a\nb)', LINE_LAST),
  );
  expect(cut).toMatchObject({ complete: false, lines: ['a\\x1b[2J invoked oom-killer: '] });
  expect(next).toMatchObject({ complete: true, lines: ['a invoked oom-killer: ', 'Killed process 1 (a\\x0ab)'] });
});
