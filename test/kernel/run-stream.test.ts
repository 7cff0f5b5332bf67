/** What `oomscope run` emits: the tracer, the pressure monitor and the guard in one stream. */
import { afterEach, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { Watch } from '../../src/daemon/watch.ts';
import type { Event } from '../../src/model/events.ts';
import { createMemoryGroup, MIB, oomKill, removeMemoryGroups, startHog } from './memcg.ts';
import { Recording } from './recorder.ts';

afterEach(removeMemoryGroups);

it('emits one start, one stop and one numbering, in the order of time', async () => {
  const text = `
[trace]
enabled = true
[pressure]
enabled = true
profile = "fast"
windows = ["200ms"]
[guard]
[[guard.rule]]
name = "never"
when = ["available < 1K"]
steps = [{ do = "kill" }]
`;
  const config = await parseConfig(text, 'f.toml');
  const recording = new Recording();
  const events: Event[] = [];
  const watch = new Watch();
  watch.events$.subscribe((event) => {
    events.push(event);
    recording.take(event);
  });
  await watch.open(config);
  for (let i = 0; i < 3; i++) {
    const { pid } = await oomKill({ limitBytes: 32 * MIB });
    await recording.kill(pid);
    await recording.reaped(pid);
  }
  await watch.close();

  const ofType = (type: Event['type']) => events.filter((event) => event.type === type);
  expect(ofType('tracer.started')).toHaveLength(1);
  expect(ofType('tracer.stopped')).toHaveLength(1);
  expect(ofType('oom.kill').length).toBeGreaterThanOrEqual(3);
  const pressure = events.map(({ type }) => type).filter((type) => type.startsWith('pressure.'));
  expect(pressure.length, events.map(({ type }) => type).join(' ')).toBeGreaterThan(0);
  expect(events[0]?.type).toBe('tracer.started');
  expect(events.at(-1)?.type).toBe('tracer.stopped');
  expect(new Set(events.map(({ seq }) => seq)).size).toBe(events.length);
  expect(new Set(events.map(({ id }) => id.slice(0, id.lastIndexOf('-')))).size).toBe(1);
  let latest = 0n;
  // The kernel's rings are read by different threads, which a busy machine may keep waiting.
  const late: string[] = [];
  for (const { mono_ns, type } of events) {
    if (BigInt(mono_ns) <= latest - 1_000_000_000n)
      late.push(`${type} by ${Number(latest - BigInt(mono_ns)) / 1e6} ms`);
    if (BigInt(mono_ns) > latest) latest = BigInt(mono_ns);
  }
  expect(late).toEqual([]);
});

it('reports a shortage before the kill, with the process to end, and no raw level', async () => {
  const watch = new Watch();
  const recording = new Recording();
  const events: Event[] = [];
  watch.events$.subscribe((event) => {
    events.push(event);
    recording.take(event);
  });
  await watch.open(await parseConfig('', 'f.toml'));
  const group = createMemoryGroup({ limitBytes: 64 * MIB });
  const { pid, ended } = startHog(group, ['--rate', String(16 * MIB), '--comm', 'grower']);
  await ended;
  const kill = await recording.kill(pid);
  await watch.close();
  const shortage = events.find(
    (event) =>
      event.type === 'memory.shortage' && event.subject.path === group.cgroupPath && event.level === 'critical',
  );
  expect(shortage).toMatchObject({ level: 'critical', cause: 'limit', severity: 'critical' });
  expect(BigInt(kill.mono_ns) - BigInt(shortage?.mono_ns ?? 0)).toBeGreaterThan(1_000_000_000n);
  const suggestion = events.find((event) => event.type === 'memory.suggestion' && event.because_id === shortage?.id);
  expect(suggestion).toMatchObject({ candidates: [{ pid, comm: 'grower' }] });
  expect(events.filter(({ type }) => type === 'pressure.level')).toEqual([]);
});
