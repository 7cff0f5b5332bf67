/** The addon finds the cgroup of a kill in the record, and mostly reads its files before JavaScript has the batch. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AttachedRing } from '../../src/bpf/load/ring.ts';
import { type LoadedTracer, loadTracer } from '../../src/bpf/load/tracer-loader.ts';
import { killLayout } from '../../src/bpf/wire/kill-layout.ts';
import { OomKillRecord, RecordHeader, RecordKind } from '../../src/bpf/wire/layout.ts';
import { type OomKill, openTracer } from '../../src/index.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { SystemProbe } from '../../src/linux/system-probe.ts';
import type { CgroupComposition } from '../../src/model/cgroup-usage.ts';
import { rehearsalScript, renewScript } from '../../src/tracer/rehearsal-script.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';
import { bpfUnavailable } from './unavailable.ts';

const cgroups = Cgroupfs.find() as Cgroupfs;

describe.skipIf(bpfUnavailable())('the composition of the cgroup that a kill is about', () => {
  let loaded: LoadedTracer;
  let probe: SystemProbe;
  let ring: AttachedRing;
  let found: (CgroupComposition | null | undefined)[];
  let ktimeNs: bigint;
  /** Whether the values were there before JavaScript asked. */
  let early: boolean[];

  beforeEach(() => {
    [found, early, ktimeNs] = [[], [], 0n];
    loaded = loadTracer({ ringBytes: 2 ** 20 });
    const { version } = cgroups;
    probe = new SystemProbe({ cgroups: { mount: cgroups.directory('/'), version }, layout: killLayout });
    ring = new AttachedRing(loaded, {
      onBatch: (batch) => {
        if (!batch.records().some(({ header }) => header.kind === RecordKind.RECORD_REHEARSAL)) return;
        const values = new Float64Array(probe.forRing.values.buffer);
        early.push(values.includes(Number(ktimeNs)));
        found.push(probe.composition(ktimeNs));
      },
      onError: (error) => expect.unreachable(String(error)),
      urgentKinds: [RecordKind.RECORD_REHEARSAL],
      probe: probe.forRing,
    });
  });
  afterEach(() => {
    ring.close();
    probe.close();
    removeMemoryGroups();
  });

  /** Sends an invented kill through the ring. @returns what the probe has read for it */
  async function send(path: string, id: string, change: (script: Uint8Array) => void = () => {}) {
    const script = rehearsalScript({ path, id, version: cgroups.version });
    ktimeNs = process.hrtime.bigint();
    renewScript(script, ktimeNs);
    change(script);
    const before = found.length;
    expect(loaded.rehearse(script)).toBe(true);
    await expect.poll(() => found.length, { timeout: 10_000 }).toBeGreaterThan(before);
    return found.at(-1);
  }

  test('is read for the cgroup with the id and path of the record', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const inner = group.child('with spaces, and-ünïcode');
    const root = cgroups.version === 1 ? ['/'] : []; // the root of v2 has no memory.current
    for (const path of [group.cgroupPath, inner.cgroupPath, ...root]) {
      expect(await send(path, cgroups.id(path))).toMatchObject({
        source: 'memory.stat',
        age_ns: expect.any(Number),
        anon_bytes: expect.any(Number),
      });
    }
  });

  test('is mostly there before JavaScript asks for it', async () => {
    const { cgroupPath } = createMemoryGroup({ limitBytes: 64 * MIB });
    for (let i = 0; i < 50 && !early.includes(true); i++) await send(cgroupPath, cgroups.id(cgroupPath));
    expect(early).toContain(true);
  });

  test('is read after random damage of the record without a crash', async () => {
    const { cgroupPath } = createMemoryGroup({ limitBytes: 64 * MIB });
    for (let i = 0; i < 300; i++) {
      await send(cgroupPath, cgroups.id(cgroupPath), (script) => {
        const from = RecordHeader.size + Math.floor(Math.random() * 16) * 8;
        for (let n = 0; n < 4; n++) {
          const far = OomKillRecord.offset.levels_length + Math.floor(Math.random() * 16);
          script[n < 2 ? from : far] = Math.floor(Math.random() * 256);
          script[OomKillRecord.offset.levels + Math.floor(Math.random() * 200)] = Math.floor(Math.random() * 256);
        }
      });
    }
    expect(await send(cgroupPath, cgroups.id(cgroupPath))).toMatchObject({ source: 'memory.stat' });
  });

  test('is missing for another cgroup of this path, and for a path that is too long', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    expect(await send(group.cgroupPath, '12345')).toBeNull();
    expect(await send(`${group.cgroupPath}/gone`, cgroups.id(group.cgroupPath))).toBeNull();
    const long = `/${'x'.repeat(250)}`.repeat(5);
    expect(rehearsalScript({ path: long, id: '12345', version: 2 }).length).toBeGreaterThan(long.length + 1000);
    expect(await send(long, '12345')).toBeUndefined();
  });

  test('is left to JavaScript where the record does not say all of the path, or is damaged', async () => {
    const { cgroupPath } = createMemoryGroup({ limitBytes: 64 * MIB });
    const id = cgroups.id(cgroupPath);
    const at = OomKillRecord.offset;
    const of = (script: Uint8Array) => new DataView(script.buffer);
    const facts = (change: (facts: number) => number) => (script: Uint8Array) =>
      of(script).setUint32(at.facts, change(of(script).getUint32(at.facts, true)), true);
    expect(
      await send(
        cgroupPath,
        id,
        facts((known) => known | killLayout.refused),
      ),
    ).toBeUndefined();
    expect(
      await send(
        cgroupPath,
        id,
        facts((known) => known & ~killLayout.needed),
      ),
    ).toBeUndefined();
    for (const length of [0, 1, 40, 100, 2 ** 32 - 1]) {
      const damaged = await send(cgroupPath, id, (script) => of(script).setUint32(at.levels_length, length, true));
      if (length <= 100) expect(damaged).toBeUndefined();
    }
    const names = at.levels + killLayout.levelNameLength;
    expect(await send(cgroupPath, id, (script) => of(script).setUint16(names, 65_535, true))).toBeUndefined();
    expect(
      await send(cgroupPath, id, (script) => of(script).setUint16(RecordHeader.offset.kind, 99, true)),
    ).toBeUndefined();
  });

  test('belongs to the limit of an outer cgroup, whose kill it was', async () => {
    const outer = createMemoryGroup({ limitBytes: 96 * MIB });
    const [beside, inner] = [outer.child('beside'), outer.child('inner')];
    const holder = startHog(beside, ['--hold', String(64 * MIB), '--max', String(64 * MIB)]);
    await holder.ready;
    await using tracer = await openTracer();
    const kills: OomKill[] = [];
    tracer.oomKills$.subscribe((kill) => kills.push(kill));
    const victim = startHog(inner, ['--adj', '1000', '--max', String(60 * MIB)]);
    await expect.poll(() => kills.some(({ victim: { pid } }) => pid === victim.pid), { timeout: 10_000 }).toBe(true);
    holder.kill('SIGKILL');
    await Promise.all([holder.ended, victim.ended]);
    const [{ limit, composition } = {}] = kills.filter(({ victim: { pid } }) => pid === victim.pid);
    expect(limit?.path).toBe(outer.cgroupPath);
    expect(composition?.source).toBe('memory.stat');
    expect(composition?.usage_bytes).toBeGreaterThan(63 * MIB); // the cgroup of the victim never had so much
  });
});
