import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { processAncestors } from '../../src/process/ancestors.ts';
import { neverSignal } from '../../src/process/never-signal.ts';

/** A simulated /proc, because only a privileged process can set an oom_score_adj of -1000. */
const proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
afterAll(() => rmSync(proc, { recursive: true }));

function put(pid: number, { ppid = 1, flags = 0, adj = 0 } = {}): void {
  mkdirSync(join(proc, String(pid)));
  const numbers = ['S', ppid, pid, pid, 0, -1, flags, ...new Array(12).fill(0), 77, 0, 1];
  writeFileSync(join(proc, String(pid), 'stat'), `${pid} (a) b) ${numbers.join(' ')} 0\n`);
  writeFileSync(join(proc, String(pid), 'oom_score_adj'), `${adj}\n`);
}
put(1, { ppid: 0 });
put(50, { ppid: 1 });
put(60, { ppid: 50 });
put(process.pid, { ppid: 60 });
put(70, { flags: 0x00200000 });
put(80, { adj: -1000 });
put(90, { adj: -999 });

test('says why a process must not be signalled', () => {
  const own = processAncestors(process.pid, proc);
  expect([...own]).toEqual([process.pid, 60, 50, 1]);
  const why = (pid: number) => neverSignal(pid, own, proc);
  expect(why(1)).toBe('it is init');
  expect(why(process.pid)).toBe('it is oomscope itself');
  expect(why(60)).toBe('oomscope descends from it');
  expect(why(70)).toBe('it is a kernel thread');
  expect(why(80)).toBe('its oom_score_adj is -1000');
  expect(why(90)).toBeUndefined();
  expect(why(12345)).toBeUndefined(); // there is no such process: the caller finds that out
});
