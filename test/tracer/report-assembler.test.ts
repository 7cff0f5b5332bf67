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

test('marks a report without its last line as incomplete, and escapes control characters', () => {
  const [cut, next] = assemble(
    piece(1, 'a\x1b[2J invoked oom-killer: ', LINE_ENDS | LINE_FIRST),
    piece(1, 'a invoked oom-killer: ', LINE_ENDS | LINE_FIRST),
    piece(1, 'Killed process 1 (a\nb)', LINE_LAST),
  );
  expect(cut).toMatchObject({ complete: false, lines: ['a\\x1b[2J invoked oom-killer: '] });
  expect(next).toMatchObject({ complete: true, lines: ['a invoked oom-killer: ', 'Killed process 1 (a\\x0ab)'] });
});
