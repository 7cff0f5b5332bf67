/** Values written to real processes, and put back. Only upwards: to go down takes a capability, see test/lab. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { effectiveCapabilities } from '../../src/linux/capabilities.ts';
import { applyPlan } from '../../src/protect/apply.ts';
import { Journal } from '../../src/protect/journal.ts';
import { type Plan, planProtection } from '../../src/protect/plan.ts';
import type { Profile } from '../../src/protect/profile.ts';
import { readSubjects } from '../../src/protect/subject.ts';
import { undo } from '../../src/protect/undo.ts';
import { adjOf, Sleepers, setAdj, ticksOf } from './sleepers.ts';

function planFor({ exe }: Sleepers, adj: number): Plan {
  const profile: Profile = {
    ...{ name: 'ours', about: '', oomScoreAdj: adj, oomPolicy: null },
    selectors: [{ by: 'exe', is: exe }],
  };
  return planProtection(readSubjects(), [profile], { mayLower: true });
}

function apply(sleepers: Sleepers, plan: Plan): string[] {
  using journal = Journal.open(sleepers.state);
  return applyPlan(plan.entries, journal).map(({ outcome }) => outcome);
}

function undoAll(sleepers: Sleepers): Record<number, string> {
  using journal = Journal.open(sleepers.state);
  return Object.fromEntries(undo(journal, readSubjects()).map(({ pid, outcome }) => [pid, outcome]));
}

describe('apply, then undo', () => {
  test('leaves every value as it was found', async () => {
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

  test('also over several times, to what was there at first', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    setAdj(pid, 10);
    for (const adj of [100, 200, 300]) expect(apply(sleepers, planFor(sleepers, adj))).toEqual(['done']);
    expect(undoAll(sleepers)).toEqual({ [pid]: 'restored' });
    expect(adjOf(pid)).toBe(10);
  });

  test('what somebody else has set since is theirs; what has ended is gone; twice is once', async () => {
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

  test.skipIf(effectiveCapabilities().has('CAP_SYS_RESOURCE'))('what the kernel refuses is said', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    using journal = Journal.open(sleepers.state);
    const [entry] = planFor(sleepers, 250).entries;
    const [applied] = applyPlan([{ ...entry, after: -250 } as Plan['entries'][number]], journal);
    expect(applied).toMatchObject({ outcome: 'refused' });
    expect(applied?.detail).toContain('to go down to -250 takes CAP_SYS_RESOURCE');
    expect(adjOf(pid)).toBe(0);
  });
});

describe('a process that is not the one that was planned for', () => {
  test('another has its pid', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    const plan = planFor(sleepers, 250);
    for (const { subject } of plan.entries) subject.startTicks = ticksOf(pid) - 1;
    expect(apply(sleepers, plan)).toEqual(['gone']);
    expect(adjOf(pid)).toBe(0);
    expect(undoAll(sleepers)).toEqual({ [pid]: 'gone' });
  });

  test('it has ended', async () => {
    await using sleepers = new Sleepers();
    const pid = await sleepers.start();
    const plan = planFor(sleepers, 250);
    await sleepers.end(pid);
    expect(apply(sleepers, plan)).toEqual(['gone']);
  });

  test('it has another value, or runs another program', async () => {
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
  const line = (pid: number, of: object = {}) => ({
    ...{ kind: 'oom_score_adj', boot_id: 'b', time: 't', pid, start_ticks: 1, comm: 'x', profile: 'p' },
    ...{ before: 0, after: 1 },
    ...of,
  });
  const writeState = ({ state }: Sleepers, text: string, mode = 0o600) => writeFileSync(state, text, { mode });

  test('a line that was cut off is of a change that was not made', async () => {
    await using sleepers = new Sleepers();
    const whole = JSON.stringify(line(50));
    writeState(sleepers, `${whole}\n${whole.slice(0, 40)}`);
    using journal = Journal.open(sleepers.state);
    expect(journal.read()).toHaveLength(1);
    journal.append([line(51) as never]);
    expect(journal.read().map((each) => (each as { pid?: number }).pid)).toEqual([50, 51]);
  });

  test('of another boot: there is nothing left to put back', async () => {
    await using sleepers = new Sleepers();
    writeState(sleepers, `${JSON.stringify(line(process.pid, { start_ticks: ticksOf(process.pid) }))}\n`);
    expect(undoAll(sleepers)).toEqual({});
    expect(existsSync(sleepers.state)).toBe(false);
  });

  test.each([
    ['a value that none can have', line(50, { before: 5000 })],
    ['init', line(1)],
    ['another program’s', { hello: 1 }],
  ])('%s: refused', async (_, given) => {
    await using sleepers = new Sleepers();
    writeState(sleepers, `${JSON.stringify(given)}\n`);
    using journal = Journal.open(sleepers.state);
    expect(() => journal.read()).toThrow(/undo\.jsonl:1: expected a line of/);
  });

  test('that others could have written: refused', async () => {
    await using sleepers = new Sleepers();
    writeState(sleepers, '', 0o644);
    expect(() => Journal.open(sleepers.state)).toThrow(/expected a file of our own with mode 600, got .* 644/);
  });

  test('for one at a time', async () => {
    await using sleepers = new Sleepers();
    using _ = Journal.open(sleepers.state);
    expect(() => Journal.open(sleepers.state)).toThrow('is in use');
  });
});
