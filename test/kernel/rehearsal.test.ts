/** Rehearsals of a kill go through the kernel's ring, and nobody sees them. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RecordKind } from '../../src/bpf/wire/layout.ts';
import { type Event, openTracer, type Tracer } from '../../src/index.ts';
import { type Rehearsal, rehearsalOf } from '../../src/tracer/rehearsal.ts';
import { ended, MAIN } from '../cli/cli.ts';
import { MIB, oomKill, removeMemoryGroups } from './memcg.ts';
import { bpfUnavailable } from './unavailable.ts';

describe.skipIf(bpfUnavailable())('rehearsals', () => {
  let tracer: Tracer;
  let rehearsal: Rehearsal;
  let rehearsed: Event[];
  let events: Event[];
  let kinds: number[];
  /** The sequence numbers of the records of each CPU. */
  let sequences: Map<number, bigint[]>;

  beforeEach(async () => {
    [rehearsed, events, kinds, sequences] = [[], [], [], new Map()];
    tracer = await openTracer();
    rehearsal = rehearsalOf(tracer) as Rehearsal;
    rehearsal.events$.subscribe((event) => rehearsed.push(event));
    tracer.events$.subscribe((event) => events.push(event));
    tracer.batches$.subscribe((batch) => {
      expect(batch.view.byteLength).toBeGreaterThan(0);
      for (const { header } of batch.records()) {
        kinds.push(header.kind);
        sequences.set(header.cpu, [...(sequences.get(header.cpu) ?? []), header.sequence]);
      }
    });
  });
  afterEach(() => {
    tracer.close();
    removeMemoryGroups();
  });

  /** Rehearses once, and waits until it is over. */
  async function rehearse(): Promise<void> {
    const before = rehearsed.length;
    rehearsal.again();
    await expect.poll(() => rehearsed.length).toBeGreaterThan(before);
  }

  /** That the events and records of users are those of real kills. */
  function expectUnseen(pids: readonly number[] = []): void {
    expect(kinds).not.toContain(RecordKind.RECORD_REHEARSAL);
    expect(JSON.stringify(events)).not.toContain('rehearsal');
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1)); // `tracer.started` has 0
    for (const numbers of sequences.values()) {
      expect(numbers.map((number) => number - (numbers[0] ?? 0n))).toEqual(numbers.map((_, i) => BigInt(i)));
    }
    const victims = events.flatMap((event) => (event.type === 'oom.kill' ? [event.victim.pid] : []));
    for (const pid of pids) expect(victims.filter((victim) => victim === pid)).toHaveLength(1);
    expect(tracer.lostSoFar()).toEqual({});
  }

  test('take the way of a real kill, to a whole event with the files of a cgroup and of the machine', async () => {
    await rehearse();
    const [kill, reaped] = rehearsed.slice(-2);
    expect(kill).toMatchObject({
      type: 'oom.kill',
      victim: { pid: 1, comm: 'rehearsal', container: { id: expect.stringMatching(/^0{40}[0-9a-f]{24}$/) } },
      enrichment: 'live',
    });
    expect(kill).toHaveProperty('system.meminfo.total_bytes', expect.any(Number));
    expect(reaped).toMatchObject({ type: 'oom.reaped', outcome: 'exited' });
    expectUnseen();
  });

  test('do not reach a user, nor take a number or a place in a count', async () => {
    for (let i = 0; i < 20; i++) await rehearse();
    expectUnseen();
    tracer.close();
    const kills = events.filter(({ type }) => type === 'oom.kill').length;
    const stopped = events.find((event) => event.type === 'tracer.stopped');
    expect(Object.values(stopped?.kills ?? {}).reduce((sum, count) => sum + count, 0)).toBe(kills);
    expect(stopped?.lost_total).toBe(0);
    expectUnseen();
  });

  test('change nothing about a kill at the same moment', async () => {
    let isOver = false;
    const storm = (async () => {
      for (; !isOver; await sleep(0)) rehearsal.again();
    })();
    const pids: number[] = [];
    for (let i = 0; i < 6; i++) pids.push((await oomKill({ limitBytes: 8 * MIB })).pid);
    await expect.poll(() => events.filter(({ type }) => type === 'oom.reaped').length).toBeGreaterThanOrEqual(6);
    isOver = true;
    await storm;
    expectUnseen(pids);
    expect(rehearsed.length).toBeGreaterThan(2);
  });

  test('are not made after close()', async () => {
    const { pid } = await oomKill({ limitBytes: 8 * MIB });
    tracer.close();
    const before = rehearsed.length;
    rehearsal.again();
    expect(rehearsed.length).toBe(before);
    expectUnseen([pid]);
  });
});

test.skipIf(bpfUnavailable())('`run` shows none to its output and its sinks, also when it reloads', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-rehearsal-'));
  try {
    const alerts = join(directory, 'alerts.jsonl');
    const file = join(directory, 'oomscope.toml');
    writeFileSync(
      file,
      `[output]\nformat = "json"\n[pressure]\nenabled = false\n[[alert]]\nsink = "file"\ntarget = "${alerts}"\n`,
    );
    const child = spawn(process.execPath, [MAIN, 'run', '--config', file]);
    const end = ended(child);
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    await expect.poll(() => told, { timeout: 10_000 }).toContain('Running with');
    for (let i = 1; i <= 3; i++) {
      child.kill('SIGHUP');
      await expect.poll(() => told.split('Reloaded').length - 1, { timeout: 10_000 }).toBe(i);
    }
    await sleep(200);
    child.kill('SIGTERM');
    const { code, stdout } = await end;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as Event); // biome-ignore format: short
    expect(lines[0]?.type).toBe('tracer.started');
    expect(lines.at(-1)?.type).toBe('tracer.stopped');
    expect(stdout).not.toContain('rehearsal');
    expect(existsSync(alerts) ? readFileSync(alerts, 'utf8') : '').not.toContain('rehearsal');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
