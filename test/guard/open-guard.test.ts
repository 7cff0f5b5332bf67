import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { GuardConfig } from '../../src/guard/guard-config.ts';
import { openGuard } from '../../src/guard/open-guard.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { UndoLedger } from '../../src/process/undo-ledger.ts';
import { detector, rule, step } from './rules/world.ts';

let stateFile = '';
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-guard-'));
  stateFile = join(directory, 'guard');
  return () => rmSync(directory, { recursive: true });
});

/** A guard that acts, but whose rule can hardly fire. */
const config = (given: Partial<GuardConfig> = {}): GuardConfig => ({
  mode: 'enforce',
  policy: { rules: [rule({ when: [detector({ name: 'available' }, '<', 0)] })], killsPerMinute: 1, protect: [] },
  ...{ raiseScore: false, arm: false, lockMemory: false, realtimePriority: 0, stateFile, fastestMs: 1000 },
  ...given,
});

function sleeper() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = child.pid as number;
  return { pid, start_ticks: startTicksOf(pid) as number };
}

const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));

test('a second guard with the same state file refuses, and undoes nothing of the first', async () => {
  const target = sleeper();
  const first = UndoLedger.open(stateFile);
  const change = { kind: 'oom_score_adj' as const, ...target, by: 'guard', before: '0', written: '700' };
  first.record([change]);
  writeFileSync(`/proc/${target.pid}/oom_score_adj`, '700');
  const before = readFileSync(stateFile, 'utf8');
  await expect(openGuard(config())).rejects.toThrow(`${stateFile} is in use by process ${process.pid}`);
  expect([adjOf(target.pid), readFileSync(stateFile, 'utf8')]).toEqual([700, before]);
  // As if the first had crashed: the next one undoes what is left, and says so.
  first.close();
  const second = await openGuard(config());
  expect(second.notes).toContain(`an earlier run changed oom_score_adj of process ${target.pid}: restored`);
  expect(adjOf(target.pid)).toBe(0);
  await expect(openGuard(config())).rejects.toThrow('is in use');
  await second.close();
  expect(existsSync(stateFile)).toBe(false);
});

test('a guard that does not act needs no state file, and leaves that of another alone', async () => {
  using _ = UndoLedger.open(stateFile);
  const opened = await openGuard(config({ mode: 'dry_run' }));
  await opened.close();
});

test('a damaged state file is an error that names it', async () => {
  writeFileSync(stateFile, '[{"file":"/sys/fs/cgroup/a/memory.high"}]\n', { mode: 0o600 });
  await expect(openGuard(config())).rejects.toThrow(`${stateFile}:1: expected a line of oomscope's undo file`);
});

test("a program that cannot be run is said to be of the rule's step, and the configuration stays as it was", async () => {
  const policyWith = (command: string[]) => {
    const given = config();
    given.policy.rules = [rule({ name: 'first aid', steps: [step('exec', { command }), step('kill')] })];
    return given;
  };
  await expect(openGuard(policyWith(['/nonexistent/program']))).rejects.toThrow(
    'Rule "first aid", step "exec": expected an executable program, got "/nonexistent/program"',
  );
  const given = policyWith(['true', 'argument']);
  const opened = await openGuard({ ...given, mode: 'dry_run' });
  await opened.close();
  expect(given.policy.rules[0]?.steps[0]?.command).toEqual(['true', 'argument']);
});
