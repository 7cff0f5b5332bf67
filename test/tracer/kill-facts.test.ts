import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Btf } from '../../src/bpf/libbpf/index.ts';
import { gfpBits } from '../../src/bpf/load/gfp.ts';
import { Batch } from '../../src/bpf/wire/batch.ts';
import { KillFact, OomKillRecord } from '../../src/bpf/wire/layout.ts';
import type { LimitCgroup } from '../../src/model/events.ts';
import { killFacts, type Machine } from '../../src/tracer/kill-facts.ts';
import { killMessage } from '../../src/tracer/message.ts';
import { killRecord, killView } from '../bpf/wire/records.ts';

const machine: Machine = {
  pageBytes: 4096,
  cpus: 4,
  gfp: gfpBits({ enumStartingWith: () => undefined } as unknown as Btf),
};
const F = KillFact;
const EVERYTHING =
  F.FACT_TASK |
  F.FACT_MM |
  F.FACT_RSS_EXACT |
  F.FACT_CGROUPS |
  F.FACT_OOM_CONTROL |
  F.FACT_LIMIT |
  F.FACT_EXE |
  F.FACT_CMDLINE;

const full = {
  ktimeNs: 5_000_000_000n,
  victimComm: 'node',
  triggerComm: 'python3',
  numbers: {
    facts: EVERYTHING | F.FACT_MEMS_ALLOWED | F.FACT_NODEMASK | F.FACT_CGROUP_V1,
    ...{
      kill_kind: 1,
      constraint: 3,
      signal_ktime_ns: 4_999_998_000n,
      victim_tid: 101,
      victim_pid: 100,
      victim_ppid: 1,
    },
    ...{ victim_uid: 1000, victim_start_ns: 12_345_678_900n, victim_oom_score_adj: -500, victim_threads: 7 },
    ...{
      victim_total_vm_pages: 1000,
      victim_page_table_bytes: 8192,
      trigger_pid: 200,
      trigger_tid: 200,
      trigger_uid: 0,
    },
    ...{
      trigger_order: 0,
      trigger_cgroup_id: 42,
      trigger_start_ns: 10_000_000,
      trigger_gfp: 0xcc0,
      domain_pages: 16384,
    },
    ...{ chosen_points: -3, nodemask: 1, mems_allowed: 0b1011 },
  },
  rss: { file: 10n, anon: 20n, swap: 30n, shmem: 5n },
  exe: 'node\0bin\0usr\0',
  cmdline: 'node\0--x\0\0server.js\0',
  limit: { id: 7n, name: 'pod', usage: 16384n, limit: 16384n },
  levels: [
    { id: 8n, name: 'ctr', usage: 16000n },
    { id: 7n, name: 'pod', usage: 16384n, limit: 16384n, swap: 16384n, swapLimit: 20000n, oomGroup: true },
    { id: 1n, name: '' },
  ],
};

test('decodes every field of a kill record', () => {
  const facts = killFacts(killView(full), machine);
  const victimMemory = facts.victim.memory;
  expect(facts).toMatchObject({
    kind: 'killed',
    scope: 'cgroup',
    limit_inferred: false,
    cgroup_version: 1,
    domain_bytes: 64 * 2 ** 20,
    badness_pages: -3,
    nodemask: '0',
    signal_to_mark_ns: 2000,
    missing: [],
    victim: {
      ...{ pid: 100, tid: 101, ppid: 1, uid: 1000, comm: 'node', process_comm: 'node', exe: '/usr/bin/node' },
      ...{ cmdline: ['node', '--x', '', 'server.js'], cmdline_truncated: false, start_ticks: 1234, threads: 7 },
      ...{ oom_score_adj: -500, cgroup: '/pod/ctr', raw: null },
    },
    trigger: {
      ...{ pid: 200, comm: 'python3', gfp_mask: '0xcc0', gfp: 'GFP_KERNEL', order: 0, gfp_source: 'oom_control' },
      ...{ cgroup_id: '42', mems_allowed: '0-1,3', start_ticks: 1 },
    },
    limit: { path: '/pod', id: '7', limit_bytes: 64 * 2 ** 20, oom_group: true },
  });
  expect(victimMemory).toEqual({
    ...{ total_vm_bytes: 4096000, rss_bytes: 35 * 4096, anon_rss_bytes: 20 * 4096, file_rss_bytes: 10 * 4096 },
    ...{
      shmem_rss_bytes: 5 * 4096,
      swap_bytes: 30 * 4096,
      page_tables_bytes: 8192,
      error_bound_bytes: 0,
      approximate: null,
    },
  });
  expect(facts.cgroups.map(({ path, limit_bytes }) => [path, limit_bytes])).toEqual([
    ['/pod/ctr', null],
    ['/pod', 64 * 2 ** 20],
    ['/', null],
  ]);
  expect(facts.cgroups[1]).toMatchObject({ memory_and_swap_limit_bytes: 20000 * 4096, swap_bytes: null });
  expect(killMessage(facts)).toBe(
    'node (pid 100) was killed, holding 140 KiB: cgroup /pod reached its limit of 64 MiB; triggered by python3 (pid 200).',
  );
});

test('the message names the pod whose limit was hit, if it is the one of the victim', () => {
  const facts = killFacts(killView(full), machine);
  const pod = { uid: 'u', name: 'web', namespace: 'shop', qos: null };
  const limit = { ...(facts.limit as LimitCgroup), container: null, pod };
  const said = (own: typeof pod | null) => killMessage({ ...facts, limit, victim: { ...facts.victim, pod: own } });
  expect(said(pod)).toContain(': its pod shop/web reached its limit of 64 MiB;');
  expect(said({ ...pod, uid: 'v' })).toContain(': cgroup /pod reached its limit');
  expect(said(null)).toContain(': cgroup /pod reached its limit');
});

test('decodes a field whose FACT_ flag is not set as unknown, never as zero', () => {
  const facts = killFacts(killView({ numbers: { victim_pid: 9, victim_tid: 9, kill_kind: 2 } }), machine);
  expect(facts).toMatchObject({
    ...{ kind: 'already_dying', scope: null, limit: null, cgroups: [], cgroup_version: null, domain_bytes: null },
    ...{ badness_pages: null, nodemask: null, signal_to_mark_ns: null },
    missing: ['victim.exe', 'victim.cmdline', 'victim.memory', 'victim.cgroup', 'oom_control'],
    victim: { pid: 9, ppid: null, uid: null, comm: null, start_ticks: null, memory: null, oom_score_adj: null },
    trigger: { gfp: null, gfp_mask: null, order: null, mems_allowed: null, cgroup_id: null },
  });
});

test('has the shared part of the per-CPU counters, too, and an error bound if the exact sum is unknown', () => {
  const approx = { file: 8n, anon: -2n, swap: 0n, shmem: 0n };
  const exact = killFacts(killView({ ...full, approx }), machine).victim.memory;
  expect(exact).toMatchObject({
    error_bound_bytes: 0,
    approximate: { anon_rss_bytes: 0, file_rss_bytes: 8 * 4096, shmem_rss_bytes: 0 },
  });
  const facts = EVERYTHING & ~F.FACT_RSS_EXACT;
  const rough = killFacts(killView({ ...full, numbers: { ...full.numbers, facts } }), machine).victim.memory;
  expect(rough?.error_bound_bytes).toBe(32 * 4 * 4096);
});

test('infers the limit if oom_control is unknown, and marks the limit as inferred', () => {
  const numbers = { ...full.numbers, facts: F.FACT_TASK | F.FACT_CGROUPS };
  const facts = killFacts(killView({ ...full, numbers }), machine);
  expect(facts).toMatchObject({ scope: 'cgroup', limit_inferred: true, limit: { path: '/pod' } });
  const roomy = full.levels.map((level) => ({ ...level, limit: 2n ** 30n }));
  expect(killFacts(killView({ ...full, levels: roomy, numbers }), machine)).toMatchObject({
    ...{ scope: null, limit: null, limit_inferred: false },
  });
});

test('decodes names of 255 bytes, and keeps the bytes of a path that is not UTF-8', () => {
  const long = 'x'.repeat(255);
  const levels = [
    { id: 8n, name: long },
    { id: 7n, name: Buffer.from([0x61, 0xff]) },
    { id: 1n, name: '' },
  ];
  const { victim, cgroups, missing } = killFacts(killView({ ...full, levels }), machine);
  expect(victim.cgroup).toBe(`/a\ufffd/${long}`);
  expect(victim.raw).toEqual({ cgroup: Buffer.from(`/a\xff/${long}`, 'latin1').toString('hex') });
  expect(cgroups.map(({ path }) => path)).toEqual([`/a\ufffd/${long}`, '/a\ufffd', '/']);
  expect(missing).toEqual([]);
});

test('leaves the paths unknown if the cgroup has too many ancestors, and names the fields that are missing', () => {
  const numbers = { ...full.numbers, facts: EVERYTHING | F.FACT_LEVELS_CUT };
  const deep = killFacts(killView({ ...full, numbers }), machine);
  expect(deep.victim.cgroup).toBeNull();
  expect(deep.cgroups[0]?.path).toBe('/…/pod/ctr');
  expect(deep.missing).toEqual(['victim.cgroup', 'cgroups', 'limit.path']);
});

test('decodes the pids of the victim in its pid namespaces', () => {
  const view = killView({ ...full, numbers: { ...full.numbers } });
  const bytes = new DataView(view.view.buffer);
  bytes.setUint8(OomKillRecord.offset.victim_namespaces, 2);
  bytes.setUint32(OomKillRecord.offset.victim_pids, 100, true);
  bytes.setUint32(OomKillRecord.offset.victim_pids + 4, 7, true);
  expect(killFacts(view, machine).victim.namespace_pids).toEqual([100, 7]);
  bytes.setUint8(OomKillRecord.offset.victim_namespaces, 255);
  expect(killFacts(view, machine).victim.namespace_pids).toHaveLength(8);
});

test('keeps the bytes of names with control characters, and still writes a message of one line', () => {
  const facts = killFacts(
    killView({ ...full, victimComm: '\x1b[2J\u202eevil', triggerComm: 'a\nb', cmdline: Buffer.from([0x61, 0xff, 0]) }),
    machine,
  );
  expect(facts.victim.comm).toBe('\x1b[2J\u202eevil');
  expect(facts.victim.raw).toEqual({ cmdline: '61ff00' });
  expect(killMessage(facts)).toMatch(/^\\x1b\[2J\\u\{202e\}evil \(pid 100\) .* triggered by a\\x0ab \(pid 200\)\.$/);
});

describe('any bytes', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test searches for control characters
  const dangerous = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/;
  const holds = (bytes: Buffer) => {
    const view = new DataView(Uint8Array.from(bytes).buffer);
    new Batch(view.buffer).walk((_, at) => {
      const facts = killFacts(new OomKillRecord(view, at), machine);
      const again = JSON.parse(JSON.stringify(facts));
      expect(again.victim.pid).toBe(facts.victim.pid);
      expect(JSON.stringify(facts)).not.toMatch(/"[a-z_]+":(NaN|Infinity)/);
      const message = killMessage(facts);
      expect(message).not.toMatch(dangerous);
      expect(message).not.toMatch(/undefined|NaN|\[object/);
    });
  };
  const interesting = fc.constantFrom(
    0n,
    1n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 53n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n - 1n,
  );
  const size = OomKillRecord.size;

  test('decodes records of random bytes', () => {
    const bytes = fc.uint8Array({ minLength: size - 4, maxLength: size - 4, size: 'max' });
    fc.assert(
      fc.property(bytes, fc.nat({ max: 0x7fff }), (rest, levels) => {
        const record = Buffer.concat([Buffer.from([1, 0, 0, 0]), rest]);
        record.writeUInt16LE(size, 2);
        record.writeUInt32LE(levels, OomKillRecord.offset.levels_length);
        holds(record);
      }),
      { numRuns: 150 },
    );
  });

  test('decodes records of extreme numbers', () => {
    const words = fc.array(interesting, { minLength: size / 8, maxLength: size / 8, size: 'max' });
    fc.assert(
      fc.property(
        words,
        fc.nat({ max: 0xffff }),
        fc.nat({ max: 0xffff }),
        fc.nat({ max: 0x7fff }),
        (made, exe, cmdline, facts) => {
          const record = Buffer.from(BigUint64Array.from(made).buffer);
          const o = OomKillRecord.offset;
          record.writeUInt16LE(1, 0);
          record.writeUInt16LE(size, 2);
          record.writeUInt16LE(exe, o.exe_length);
          record.writeUInt16LE(cmdline, o.cmdline_length);
          record.writeUInt32LE(facts, o.facts);
          record.writeUInt32LE(size - o.levels, o.levels_length);
          holds(record);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('decodes a record whose levels claim names that are longer than the record', () => {
    const record = Buffer.alloc(OomKillRecord.offset.levels + 255 * 176, 0xff);
    record.writeUInt32LE(255 * 176, OomKillRecord.offset.levels_length);
    record.writeUInt16LE(1, 0);
    record.writeUInt16LE(record.length, 2);
    holds(record);
    expect(killRecord().length).toBe(OomKillRecord.offset.levels);
  });
});
