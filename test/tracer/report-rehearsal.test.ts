import { expect, test } from 'vitest';
import type { KernelReport } from '../../src/tracer/report-assembler.ts';
import { ReportAssembler } from '../../src/tracer/report-assembler.ts';
import { rehearsedReport } from '../../src/tracer/report-rehearsal.ts';
import { takeLines } from '../../src/tracer/report-stream.ts';

test('the invented report is read as one whole report', () => {
  const reports: KernelReport[] = [];
  const assembler = new ReportAssembler((report) => reports.push(report));
  const batch = rehearsedReport();
  expect(batch.walk(() => {})).toBe(0);
  takeLines(batch, assembler);
  assembler.close();
  expect(reports).toHaveLength(1);
  expect(reports[0]).toMatchObject({ complete: true, printer: { tid: 1 } });
  expect(reports[0]?.lines[0]).toBe(
    'rehearsal invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
  );
  expect(reports[0]?.lines.at(-1)).toMatch(/^Memory cgroup out of memory: Killed process 1 \(rehearsal\)/);
});
