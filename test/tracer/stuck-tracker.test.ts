/** When a cgroup counts as stuck, with invented files of a cgroup and of processes. A real cgroup: test/kernel/stuck.test.ts. */
import { statSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OomAttemptRecord } from '../../src/bpf/wire/layout.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { noOwner } from '../../src/model/container.ts';
import { type StuckFacts, StuckTracker } from '../../src/tracer/stuck-tracker.ts';
import { type MadeRoot, madeRoot } from '../doctor/made-root.ts';

let root: MadeRoot;
let events: StuckFacts[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  events = [];
});
afterEach(() => {
  vi.useRealTimers();
  root[Symbol.dispose]();
});

/** @param adj the oom_score_adj of the processes in the cgroup */
function tracker(adj: number[], state = 'R') {
  const processes = adj.flatMap((value, i) => {
    const stat = `${100 + i} (hog) ${state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 1`;
    const proc = `/proc/${100 + i}`;
    return [
      [`${proc}/stat`, stat],
      [
        `${proc}/status`,
        'Uid:\t0\t0\t0\t0\nVmSize:\t1 kB\nVmRSS:\t4 kB\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n',
      ],
      [`${proc}/oom_score_adj`, `${value}\n`],
      [`${proc}/cgroup`, '0::/shop\n'],
    ];
  });
  root = madeRoot({
    ...Object.fromEntries(processes),
    '/cgroup/shop/memory.current': '4096\n',
    '/cgroup/shop/memory.max': '8192\n',
    '/cgroup/shop/cgroup.procs': adj.map((_, i) => `${100 + i}\n`).join(''),
  });
  const mount = `${root.path}/cgroup`;
  const id = statSync(`${mount}/shop`, { bigint: true }).ino;
  const stuck = new StuckTracker({
    cgroups: new Cgroupfs({ mount, version: 2, unified: mount }),
    ownerOf: () => noOwner,
    emit: (facts) => events.push(facts),
    proc: `${root.path}/proc`,
  });
  const attempt = (ooms: number) => {
    const view = new DataView(new ArrayBuffer(OomAttemptRecord.size));
    const { offset } = OomAttemptRecord;
    view.setBigUint64(8 + 8, process.hrtime.bigint(), true);
    view.setUint32(offset.trigger_tid, 100, true);
    view.setUint32(offset.trigger_pid, 100, true);
    view.setBigUint64(offset.limit_id, id, true);
    view.setBigUint64(offset.ooms, BigInt(ooms), true);
    view.setUint8(offset.ooms_known, 1);
    stuck.take(new OomAttemptRecord(view, 0));
  };
  return { stuck, attempt, id: String(id) };
}

test('reports a cgroup in which every process has oom_score_adj -1000 and the kernel looks for a victim again and again', () => {
  const { attempt, id } = tracker([-1000, -1000]);
  attempt(7);
  vi.advanceTimersByTime(1000);
  expect(events).toEqual([]); // one attempt is no proof
  attempt(60);
  vi.advanceTimersByTime(1000);
  expect(events).toMatchObject([
    { state: 'stuck', cause: 'nothing_killable', ooms: 53, cgroup: { path: '/shop', id, limit_bytes: 8192 } },
  ]);
  expect(events[0]?.processes.map(({ oom_score_adj }) => oom_score_adj)).toEqual([-1000, -1000]);
});

test('does not report a cgroup in which the kernel could kill a process', () => {
  const { attempt } = tracker([-1000, -999]);
  attempt(7);
  attempt(60);
  vi.advanceTimersByTime(5000);
  expect(events).toEqual([]);
});

test('does not report a cgroup in which a kill has followed', () => {
  const { stuck, attempt, id } = tracker([-1000]);
  attempt(7);
  attempt(60);
  stuck.onKill({ kind: 'killed', limit: null, cgroups: [{ id }] as never });
  vi.advanceTimersByTime(5000);
  expect(events).toEqual([]);
});
