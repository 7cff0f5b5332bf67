/**
 * Values are written to real processes and restored. The tests only raise values, because lowering one needs a
 * capability; test/lab tests that.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { effectiveCapabilities } from '../../src/linux/capabilities.ts';
import { applyPlan } from '../../src/protect/apply.ts';
import { type Plan, planProtection } from '../../src/protect/plan.ts';
import type { Profile } from '../../src/protect/profile.ts';
import { readSubjects } from '../../src/protect/subject.ts';
import { undo } from '../../src/protect/undo.ts';
import { openUndoFile } from '../../src/protect/undo-file.ts';
import { adjOf, Sleepers, setAdj, ticksOf } from './sleepers.ts';

function planFor({ exe }: Sleepers, adj: number): Plan {
  const profile: Profile = {
    ...{ name: 'ours', about: '', oomScoreAdj: adj, oomPolicy: null },
    selectors: [{ by: 'exe', is: exe }],
  };
  return planProtection(readSubjects(), [profile], { mayLower: true });
}

function apply(sleepers: Sleepers, plan: Plan): string[] {
  using ledger = openUndoFile(sleepers.state);
  return applyPlan(plan.entries, ledger).map(({ outcome }) => outcome);
}

function undoAll(sleepers: Sleepers): Record<number, string> {
  using ledger = openUndoFile(sleepers.state);
  return Object.fromEntries(undo(ledger, readSubjects()).map(({ pid, outcome }) => [pid, outcome]));
}

describe('apply, then undo', () => {
  test('restores the original value of every process', async () => {
    await using sleepers = new Sleepers('a) b\n"c" \u202e');
    const pids = [await sleepers.start(), await sleepers.start(), await sleepers.start()];
    const [first, second, third] = pids as [number, number, number];
    setAdj(second, 100);
    setAdj(third, 250);
    const plan = planFor(sleepers, 250);
    expect(plan.entries.map(({ subject, action }) => [subject.pid, action])).toEqual([
      [first, 'change'],
      [second, 'change'],
      [third, 'keep'],
    ]);
    expect(apply(sleepers, plan)).toEqual(['done', 'done']);
    expect(pids.map(adjOf)).toEqual([250, 250, 250]);
    expect(statSync(sleepers.state).mode & 0o777).toBe(0o600);
    expect(undoAll(sleepers)).toEqual({ [first]: 'restored', [second]: 'restored' });
    expect(pids.map(adjOf)).toEqual([0, 100, 250]);
    expect(existsSync(sleepers.state)).toBe(false);
  });

  test('restores the original value after several changes', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    setAdj(pid, 10);
    for (const adj of [100, 200, 300]) expect(apply(sleepers, planFor(sleepers, adj))).toEqual(['done']);
    expect(undoAll(sleepers)).toEqual({ [pid]: 'restored' });
    expect(adjOf(pid)).toBe(10);
  });

  test('does not overwrite a value that another program has set since, and may be repeated', async () => {
    await using sleepers = new Sleepers();
    const [changed, ended, back] = [await sleepers.start(), await sleepers.start(), await sleepers.start()];
    apply(sleepers, planFor(sleepers, 250));
    setAdj(changed, 700);
    setAdj(back, 0);
    await sleepers.end(ended);
    const kept = readFileSync(sleepers.state);
    expect(undoAll(sleepers)).toEqual({ [changed]: 'changed', [ended]: 'gone', [back]: 'untouched' });
    writeFileSync(sleepers.state, kept, { mode: 0o600 });
    setAdj(changed, 250);
    expect(undoAll(sleepers)[changed]).toBe('restored');
  });

  test.skipIf(effectiveCapabilities().has('CAP_SYS_RESOURCE'))('reports what the kernel refuses', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    using ledger = openUndoFile(sleepers.state);
    const [entry] = planFor(sleepers, 250).entries;
    const [applied] = applyPlan([{ ...entry, after: -250 } as Plan['entries'][number]], ledger);
    expect(applied).toMatchObject({ outcome: 'refused' });
    expect(applied?.detail).toContain('lowering its oom_score_adj to -250 needs CAP_SYS_RESOURCE');
    expect(adjOf(pid)).toBe(0);
  });
});

describe('does not change the value of a process', () => {
  test('that reuses the pid of the planned process', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    const plan = planFor(sleepers, 250);
    for (const { subject } of plan.entries) subject.startTicks = ticksOf(pid) - 1;
    expect(apply(sleepers, plan)).toEqual(['gone']);
    expect(adjOf(pid)).toBe(0);
    expect(undoAll(sleepers)).toEqual({ [pid]: 'gone' });
  });

  test('that has exited', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    const plan = planFor(sleepers, 250);
    await sleepers.end(pid);
    expect(apply(sleepers, plan)).toEqual(['gone']);
  });

  test('that has got another value or executed another program since the plan', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    const plan = planFor(sleepers, 250);
    setAdj(pid, 33);
    expect(apply(sleepers, plan)).toEqual(['changed']);
    setAdj(pid, 0);
    for (const { subject } of plan.entries) subject.exe = '/usr/bin/other';
    expect(apply(sleepers, plan)).toEqual(['changed']);
    expect(adjOf(pid)).toBe(0);
  });
});

describe('the undo file', () => {
  test('may list drop-ins of oomscope, and no other files', async () => {
    await using sleepers = new Sleepers();
    const entry = (path: string) =>
      `${JSON.stringify({ kind: 'file', boot_id: null, time: '', by: '', path, before: null, written: 'text' })}\n`;
    writeFileSync(sleepers.state, entry('/etc/passwd'), { mode: 0o600 });
    expect(() => openUndoFile(sleepers.state)).toThrow(/undo\.jsonl:1: expected a line of/);
    const dropIn = join(sleepers.directory, 'some.service.d', '50-oomscope-protect.conf');
    mkdirSync(dirname(dropIn));
    writeFileSync(dropIn, 'text\n');
    writeFileSync(sleepers.state, entry(dropIn));
    using ledger = openUndoFile(sleepers.state);
    expect(undo(ledger, [])).toMatchObject([{ what: dropIn, pid: null, outcome: 'restored' }]);
    expect(existsSync(dirname(dropIn))).toBe(false);
  });

  test('can be opened by one process at a time', async () => {
    await using sleepers = new Sleepers();
    using _ = openUndoFile(sleepers.state);
    expect(() => openUndoFile(sleepers.state)).toThrow('is in use');
  });
});
