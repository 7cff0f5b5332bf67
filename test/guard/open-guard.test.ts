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

/** A guard in the mode `enforce`, with a rule that practically never fires. */
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

test('a second guard with the same state file does not start, and undoes no change of the first guard', async () => {
  const target = sleeper();
  const first = UndoLedger.open(stateFile);
  const change = { kind: 'oom_score_adj' as const, ...target, by: 'guard', before: '0', written: '700' };
  first.record([change]);
  writeFileSync(`/proc/${target.pid}/oom_score_adj`, '700');
  const before = readFileSync(stateFile, 'utf8');
  await expect(openGuard(config())).rejects.toThrow(`${stateFile} is in use by process ${process.pid}`);
  expect([adjOf(target.pid), readFileSync(stateFile, 'utf8')]).toEqual([700, before]);
  // Simulate a crash of the first guard: the next guard undoes the changes that are left, and reports them.
  first.close();
  const second = await openGuard(config());
  expect(second.notes).toContain(`an earlier run changed oom_score_adj of process ${target.pid}: restored`);
  expect(adjOf(target.pid)).toBe(0);
  await expect(openGuard(config())).rejects.toThrow('is in use');
  await second.close();
  expect(existsSync(stateFile)).toBe(false);
});

test('a guard in dry run needs no state file, and does not touch the state file of another guard', async () => {
  using _ = UndoLedger.open(stateFile);
  const opened = await openGuard(config({ mode: 'dry_run' }));
  await opened.close();
});

test('a damaged state file causes an error that names the file', async () => {
  writeFileSync(stateFile, '[{"file":"/sys/fs/cgroup/a/memory.high"}]\n', { mode: 0o600 });
  await expect(openGuard(config())).rejects.toThrow(`${stateFile}:1: expected a line of oomscope's undo file`);
});

test("names the rule's step when a program cannot be run, and does not change the configuration", async () => {
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

test('a state file whose directory cannot be made causes an error at once', async () => {
  await expect(openGuard(config({ stateFile: '/proc/none/guard' }))).rejects.toThrow(
    'Cannot open or write the undo file /proc/none/guard: ENOENT.',
  );
});
