import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CgroupRestraints } from '../../../src/guard/ladder/cgroup-restraints.ts';
import type { StepTools } from '../../../src/guard/steps/step.ts';
import { steps } from '../../../src/guard/steps/steps.ts';
import { bootId } from '../../../src/linux/boot-id.ts';
import { UndoLedger } from '../../../src/process/undo-ledger.ts';

/** A directory with the files of a v2 cgroup. Real cgroups are tested in a guest (test/lab/ladder.ts). */
function place(): { directory: string; state: string } {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'memory.current'), '1000\n');
  writeFileSync(join(directory, 'memory.high'), 'max\n');
  writeFileSync(join(directory, 'cgroup.freeze'), '0\n');
  return { directory, state: join(directory, 'state') };
}

/** Does what the step does to a victim whose cgroup has that directory. */
function take(restraints: CgroupRestraints, directory: string, step: 'throttle' | 'freeze', percent = 90) {
  const { act, file = '' } = steps[step];
  const tools = { restrain: (choose) => restraints.restrain(directory, file, choose) } as StepTools;
  return act(tools, { percent });
}

const read = (directory: string, file: string) => readFileSync(join(directory, file), 'utf8').trim();

test('records a change of a cgroup file before it writes, and restores the file', () => {
  const { directory, state } = place();
  const ledger = UndoLedger.open(state);
  const restraints = new CgroupRestraints(ledger);
  expect(take(restraints, directory, 'throttle', 90)).toEqual({ outcome: 'done', detail: 'memory.high set to 900 B' });
  expect(take(restraints, directory, 'freeze')).toMatchObject({ outcome: 'done' });
  expect([read(directory, 'memory.high'), read(directory, 'cgroup.freeze')]).toEqual(['900', '1']);
  expect(readFileSync(state, 'utf8').trimEnd().split('\n')).toHaveLength(2);
  expect(restraints.of(directory)).toHaveLength(2);
  expect(restraints.release()).toHaveLength(2);
  expect([read(directory, 'memory.high'), read(directory, 'cgroup.freeze')]).toEqual(['max', '0']);
  ledger.close();
  expect(existsSync(state)).toBe(false);
});

test('restores the original value after two throttles, but not over a value of another program', () => {
  const { directory } = place();
  const restraints = new CgroupRestraints(UndoLedger.inMemory());
  take(restraints, directory, 'throttle', 90);
  take(restraints, directory, 'throttle', 50);
  restraints.release();
  expect(read(directory, 'memory.high')).toBe('max');
  take(restraints, directory, 'throttle', 90);
  writeFileSync(join(directory, 'memory.high'), '12345');
  expect(restraints.release()).toEqual([]);
  expect(read(directory, 'memory.high')).toBe('12345');
});

test('does not loosen a memory.high that is below the usage already', () => {
  const { directory } = place();
  const restraints = new CgroupRestraints(UndoLedger.inMemory());
  for (const high of ['800', '900']) {
    writeFileSync(join(directory, 'memory.high'), `${high}\n`);
    expect(take(restraints, directory, 'throttle', 90)).toEqual({
      outcome: 'unavailable',
      detail: `it is already throttled at ${high} B`,
    });
    expect(read(directory, 'memory.high')).toBe(high);
  }
  expect(restraints.of(directory)).toEqual([]);
});

test('reports `unavailable` when the kernel lacks the cgroup file', async () => {
  const restraints = new CgroupRestraints(UndoLedger.inMemory());
  const nowhere = join(tmpdir(), 'oomscope-nowhere');
  expect(await restraints.reclaim(nowhere, 1)).toMatchObject({ outcome: 'unavailable' });
  expect(take(restraints, nowhere, 'throttle', 90)).toMatchObject({ outcome: 'unavailable' });
  expect(take(restraints, nowhere, 'freeze')).toMatchObject({ outcome: 'unavailable' });
});

test('refuses a state file with paths outside of cgroups', () => {
  const { directory, state } = place();
  const options = { mayWrite: CgroupRestraints.mayWrite };
  const entry = { kind: 'file', boot_id: bootId(), time: '', by: '', before: 'x', written: 'max' };
  for (const path of [
    `${directory}/memory.high`,
    '/sys/fs/cgroup/../../etc/memory.high',
    '/sys/fs/cgroup/a/memory.max',
  ]) {
    writeFileSync(state, `${JSON.stringify({ ...entry, path })}\n`, { mode: 0o600 });
    expect(() => UndoLedger.open(state, options)).toThrow(`${state}:1: expected a line of oomscope's undo file`);
  }
  expect(read(directory, 'memory.high')).toBe('max');
  writeFileSync(state, `${JSON.stringify({ ...entry, path: '/sys/fs/cgroup/nowhere/memory.high' })}\n`);
  using ledger = UndoLedger.open(state, options);
  expect(ledger.undoAll()).toMatchObject([{ outcome: 'gone' }]);
});
