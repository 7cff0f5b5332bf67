import { expect, test } from 'vitest';
import { KillFact } from '../../src/bpf/wire/layout.ts';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import type { DyingProcess } from '../../src/linux/dying-process.ts';
import { noOwner } from '../../src/model/container.ts';
import type { SystemState } from '../../src/model/oom-kill.ts';
import { KillDraft } from '../../src/tracer/kill-draft.ts';
import { killFacts } from '../../src/tracer/kill-facts.ts';
import { type KillParts, killView } from '../bpf/wire/records.ts';

const files: DyingProcess = {
  startTicks: 1234,
  comm: 'node',
  ppid: 1,
  exe: '/usr/bin/node',
  cmdline: Buffer.from('node\0server.js\0'),
  cgroup: '/pod',
};
const BARE = { victim_pid: 100, victim_tid: 100 };

function draftOf(parts: KillParts): KillDraft {
  const envelope = new EnvelopeFactory().open(1n, 0n, 'critical', 'test');
  const facts = killFacts(killView(parts), { pageBytes: 4096, cpus: 1, gfp: {} });
  return new KillDraft(facts, { envelope, system: {} as SystemState, lead_up: null });
}

const finish = (draft: KillDraft) => draft.finish(() => noOwner);

test('adds facts from /proc that the record lacks before it writes the message', () => {
  const draft = draftOf({ numbers: BARE });
  expect(draft.lacksVictimFacts).toBe(true);
  expect(draft.cgroupPaths).toEqual([]);
  draft.addFiles(files);
  expect(draft.cgroupPaths).toEqual(['/pod']);
  const kill = finish(draft);
  expect(kill).toMatchObject({
    type: 'oom.kill',
    enrichment: 'partial',
    missing: ['victim.memory', 'oom_control'],
    victim: {
      ...{ comm: 'node', process_comm: 'node', ppid: 1, start_ticks: 1234, exe: '/usr/bin/node', cgroup: '/pod' },
      ...{ cmdline: ['node', 'server.js'], cmdline_truncated: false },
    },
  });
  expect(kill.message).toMatch(/^node \(pid 100\) was killed/);
});

test('keeps a fact of the record if /proc has a different value', () => {
  const facts = KillFact.FACT_TASK | KillFact.FACT_EXE | KillFact.FACT_CMDLINE;
  const draft = draftOf({
    victimComm: 'python3',
    numbers: { ...BARE, facts, victim_start_ns: 12_345_678_900n },
    exe: 'python3\0bin\0',
    cmdline: 'python3\0a.py\0',
  });
  draft.addFiles(files);
  expect(finish(draft).victim).toMatchObject({ comm: 'python3', exe: '/bin/python3', cmdline: ['python3', 'a.py'] });
});

test('replaces a truncated command line of the record with the one from /proc', () => {
  const facts = KillFact.FACT_TASK | KillFact.FACT_CMDLINE | KillFact.FACT_CMDLINE_CUT;
  const draft = draftOf({ numbers: { ...BARE, facts, victim_start_ns: 12_345_678_900n }, cmdline: 'node\0ser' });
  expect(draft.facts.missing).toContain('victim.cmdline');
  draft.addFiles({ ...files, cmdline: Buffer.from([0x61, 0xff, 0]) });
  const kill = finish(draft);
  expect(kill.victim).toMatchObject({ cmdline_truncated: false, raw: { cmdline: '61ff00' } });
  expect(kill.missing).not.toContain('victim.cmdline');
});

test('ignores /proc if another process already has the pid', () => {
  const draft = draftOf({ numbers: { ...BARE, facts: KillFact.FACT_TASK, victim_start_ns: 99_000_000_000n } });
  draft.addFiles(files);
  expect(finish(draft).victim).toMatchObject({ start_ticks: 9900, exe: null, cmdline: null, cgroup: null });
});

test('has only the pid if neither the record nor /proc describes the victim', () => {
  const kill = finish(draftOf({ numbers: BARE }));
  expect(kill.enrichment).toBe('lost');
  expect(kill.message).toMatch(/^A process \(pid 100\) was killed/);
});

test('freezes the event, so that later facts do not change it', () => {
  const draft = draftOf({ numbers: BARE });
  const kill = finish(draft);
  expect(Object.isFrozen(kill)).toBe(true);
  const before = JSON.stringify(kill);
  draft.addFiles(files);
  expect(finish(draft)).toBe(kill);
  expect(JSON.stringify(kill)).toBe(before);
});
