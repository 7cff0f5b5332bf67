/** `oomscope pressure` with its output in a pipe, and a cgroup that appears, fills, stalls and is removed. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import type { Event } from '../../src/model/events.ts';
import { ended, MAIN } from '../cli/cli.ts';
import { schemaErrors } from '../schema.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';

/** Path of the group that the next createMemoryGroup() will make. */
function nextGroup(name: string): string {
  const group = createMemoryGroup({ limitBytes: 64 * MIB, name });
  group.remove();
  return group.cgroupPath;
}

function start(args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'pressure', '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const events: Event[] = [];
  const said: string[] = [];
  const waiting = new Set<() => void>();
  const lines = (stream: NodeJS.ReadableStream, take: (line: string) => void) =>
    createInterface({ input: stream }).on('line', (line) => {
      take(line);
      for (const check of waiting) check();
    });
  lines(child.stdout, (line) => events.push(JSON.parse(line)));
  lines(child.stderr, (line) => said.push(line));
  const until = (what: string, holds: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`expected ${what}; it said ${said.join(' | ')}`)), 15_000);
      const check = () => {
        if (!holds()) return;
        clearTimeout(timer);
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { child, events, said, until, ended: ended(child) };
}

const CONTAINER = 'a1b2c3d4e5f60718'.repeat(4);
const POD = '7c2b1f0e_91d4_4a53_8e6f_0123456789ab';

describe.each([
  ['by BPF', []],
  ['by PSI', ['--psi']],
])('oomscope pressure, %s', (_, how) => {
  const running: ReturnType<typeof start>[] = [];
  afterEach(async () => {
    for (const { child, ended: end } of running.splice(0)) {
      child.kill();
      await end;
    }
    removeMemoryGroups();
  });

  it('waits for a cgroup, reports when it is full and which process to end, and sees it removed and made again', async () => {
    const name = `oomscope-${process.pid}-awaited`;
    const path = nextGroup(name);
    const watching = start([...how, '--profile', 'fast', '--cgroup', path, '--wait', '--level', 'critical']);
    running.push(watching);
    await watching.until('to wait', () => watching.said.some((line) => line.includes(`no cgroup ${path}: waiting`)));
    const group = createMemoryGroup({ limitBytes: 64 * MIB, name });
    await watching.until('to see it', () => watching.said.some((line) => line.endsWith(`cgroup ${path} exists now.`)));
    const hog = startHog(group, ['--hold', String(62 * MIB), '--comm', 'holder']);
    await hog.ready;
    await watching.until('a suggestion', () => watching.events.some(({ type }) => type === 'memory.suggestion'));
    const usage = watching.events.find((event) => event.type === 'memory.usage');
    expect(usage).toMatchObject({ subject: { path }, level: 'critical', top: [{ pid: hog.pid, comm: 'holder' }] });
    const suggestion = watching.events.find((event) => event.type === 'memory.suggestion');
    expect(suggestion?.candidates[0]).toMatchObject({ pid: hog.pid, comm: 'holder', oom_score_adj: 0 });
    const returns = suggestion?.candidates[0]?.returns_bytes ?? 0;
    expect(returns).toBeGreaterThan(61 * MIB);
    expect(returns).toBeLessThan(64 * MIB);
    expect(suggestion?.not_offered).toContain('drop_caches');
    expect(watching.events.map(({ type }) => type)).not.toContain('memory.reclaimed');
    group.remove();
    await watching.until('to miss it', () => watching.said.filter((line) => line.includes('no cgroup')).length > 1);
    createMemoryGroup({ limitBytes: 64 * MIB, name });
    await watching.until('its return', () => watching.said.filter((line) => line.endsWith('exists now.')).length > 1);
    const [started] = watching.events;
    expect(started?.type).toBe('tracer.started');
    for (const event of watching.events) expect(schemaErrors(event)).toEqual([]);
    expect(watching.events.map(({ seq }) => seq)).toEqual(
      [...watching.events].map(({ seq }) => seq).sort((a, b) => a - b),
    );
  });

  it('reports that the limit of a container will be reached at least 1 s before the kill, with the process to end', async () => {
    const slice = createMemoryGroup({ limitBytes: 256 * MIB }).child(`kubepods-burstable-pod${POD}.slice`, 128 * MIB);
    const group = slice.child(`cri-containerd-${CONTAINER}.scope`, 64 * MIB);
    const watching = start([...how, '--cgroup', group.cgroupPath, '--level', 'critical']);
    running.push(watching);
    await watching.until('the start', () => watching.events.length > 0);
    const hog = startHog(group, ['--rate', String(16 * MIB), '--comm', 'grower']);
    const end = await hog.ended;
    const killedMs = Date.now();
    expect(end.signal).toBe('SIGKILL');
    await watching.until('a shortage', () => watching.events.some(({ type }) => type === 'memory.suggestion'));
    const told = watching.events.filter((event) => event.type === 'memory.shortage');
    const owner = { container: { id: CONTAINER }, pod: { uid: POD.replaceAll('_', '-') } };
    expect(told).toMatchObject([{ subject: { path: group.cgroupPath, ...owner }, level: 'critical', cause: 'limit' }]);
    expect(killedMs - Date.parse(told[0]?.time ?? '')).toBeGreaterThan(1000);
    const suggestion = watching.events.find((event) => event.type === 'memory.suggestion');
    expect(suggestion?.candidates).toMatchObject([{ pid: hog.pid, comm: 'grower', cures: 1 }]);
    const types = new Set(watching.events.map(({ type }) => type));
    expect([...types].sort()).toEqual(
      ['memory.shortage', 'memory.suggestion', 'pressure.countdown', 'tracer.started'].filter((type) =>
        types.has(type as Event['type']),
      ),
    );
    for (const event of watching.events) expect(schemaErrors(event)).toEqual([]);
  });

  it('exits with code 1 when the cgroup is removed', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const watching = start([...how, '--cgroup', group.cgroupPath]);
    running.push(watching);
    await watching.until('the start', () => watching.events.length > 0);
    group.remove();
    const { code, stderr } = await watching.ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`There is no cgroup ${group.cgroupPath}.`);
  });
});
