/**
 * What a guard leaves behind when a signal ends it, and what two guards beside one another do. The guards are real
 * processes, which have armed a real process in a memory cgroup.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { endingSignals } from '../../src/cli/verb/run-until.ts';
import type { Event } from '../../src/model/events.ts';
import { until } from '../alerts/receiver.ts';
import { type Ended, ended, MAIN } from '../cli/cli.ts';
import {
  createMemoryGroup,
  type MemoryGroup,
  MIB,
  oomKillsUnavailable,
  removeMemoryGroups,
  startHog,
} from './memcg.ts';

afterEach(removeMemoryGroups);

const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));

/** The oom_score_adj of an armed process. */
const RAISED = 979;

/** A process that holds a third of its cgroup's limit; rules with `available < 48M` are near, and do not fire. */
async function nearlyFull(): Promise<{ group: MemoryGroup; pid: number }> {
  const group = createMemoryGroup({ limitBytes: 96 * MIB });
  const hog = startHog(group, ['--hold', String(32 * MIB)]);
  await hog.ready;
  return { group, pid: hog.pid };
}

interface Started {
  child: ChildProcess;
  said: () => string;
  end: Promise<Ended>;
}

function start(args: string[]): Started {
  const child = spawn(process.execPath, [MAIN, 'guard', '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return { child, said: () => said, end: ended(child) };
}

const enforce = ({ cgroupPath }: MemoryGroup, ...more: string[]) =>
  start(['--enforce', '--cgroup', cgroupPath, '--when', 'available < 48M', '--min-size', '1M', ...more]);

/** Starts a guard and waits until it has armed the process. */
async function armed(...more: string[]) {
  const { group, pid } = await nearlyFull();
  expect(adjOf(pid)).toBe(0);
  const guard = enforce(group, ...more);
  await until(() => adjOf(pid) === RAISED, 30_000);
  return { group, pid, guard };
}

describe.skipIf(oomKillsUnavailable())('a guard that has raised an oom_score_adj', () => {
  it('restores it at each signal that ends the guard', { timeout: 90_000 }, async () => {
    const restored: [string, number, number | null][] = [];
    const signals = [...endingSignals];
    const worker = async () => {
      for (let signal = signals.shift(); signal; signal = signals.shift()) {
        const { pid, guard } = await armed();
        guard.child.kill(signal);
        const { code } = await guard.end;
        restored.push([signal, adjOf(pid), code]);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    expect(restored.sort()).toEqual([...endingSignals].sort().map((signal) => [signal, 0, 0]));
  });

  it('restores it at the second signal too, which ends the guard at once', async () => {
    const { pid, guard } = await armed();
    // Both signals are pending when the process continues, so that the second one comes while it closes.
    guard.child.kill('SIGSTOP');
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGCONT'] as const) guard.child.kill(signal);
    const { code } = await guard.end;
    expect([0, 130, 143]).toContain(code);
    expect(adjOf(pid)).toBe(0);
  });

  it.each([
    ['a dry run', []],
    ['an enforcing guard', ['--enforce']],
    ['a dry run in the shadow of the kernel', ['--shadow']],
  ])('leaves it after kill -9, and %s restores it', async (_, mode) => {
    const { pid, guard } = await armed();
    guard.child.kill('SIGKILL');
    await guard.end;
    const next = await start([...mode, '--when', 'available < 1K', '--duration', '100ms']).end;
    expect(next.code).toBe(0);
    expect(adjOf(pid)).toBe(0);
  });

  it('keeps it while another guard starts and ends', async () => {
    const { pid, guard } = await armed();
    const other = await nearlyFull();
    const second = enforce(other.group);
    await until(() => adjOf(other.pid) === RAISED, 30_000);
    expect(second.said()).toContain(`another guard (process ${guard.child.pid}) enforces on this machine, too`);
    expect(adjOf(pid)).toBe(RAISED);
    second.child.kill('SIGTERM');
    expect((await second.end).code).toBe(0);
    expect([adjOf(pid), adjOf(other.pid)]).toEqual([RAISED, 0]);
  });
});

const preferring = (group: MemoryGroup, comm: string) => `[guard]
mode = "enforce"
[[guard.rule]]
name = "prefers ${comm}"
on = "${group.cgroupPath}"
when = ["available < 32M"]
prefer = [{ comm = "^${comm}$" }]
never = [{ comm = "^trigger$" }]
steps = [{ do = "term", wait = "500ms" }, { do = "kill" }]
`;

describe.skipIf(oomKillsUnavailable())('two guards of one cgroup that would choose different victims', () => {
  it('signal one process for one shortage', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const hold = (comm: string, mib: number, ...more: string[]) =>
      startHog(group, ['--hold', String(mib * MIB), '--comm', comm, ...more]);
    // Both ignore SIGTERM, as a service does that takes long to end: the shortage lasts until SIGKILL.
    const [first, second] = [hold('first', 40, '--ignore-term'), hold('second', 40, '--ignore-term')];
    await Promise.all([first.ready, second.ready]);
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const guards = ['first', 'second'].map((comm) => {
      const file = join(directory, `${comm}.toml`);
      writeFileSync(file, preferring(group, comm));
      return start(['--config', file]);
    });
    for (const { said } of guards) await until(() => said().includes('Guarding by'), 30_000);
    hold('trigger', 24);
    const survivor = await Promise.race([first.ended.then(() => second), second.ended.then(() => first)]);
    await sleep(1500);
    expect(group.procs()).toContain(survivor.pid);
    expect(group.events().oom_kill).toBe(0);
    for (const { child } of guards) child.kill('SIGTERM');
    const ends = await Promise.all(guards.map(({ end }) => end));
    const events = ends.flatMap(({ stdout }) => stdout.trimEnd().split('\n')).map((line) => JSON.parse(line) as Event);
    const signalled = events.flatMap((event) =>
      event.type === 'guard.action' && event.outcome === 'done' ? [`${event.action} ${event.target.comm}`] : [],
    );
    const victim = survivor === first ? 'second' : 'first';
    expect(signalled).toEqual([`term ${victim}`, `kill ${victim}`]);
  });
});
