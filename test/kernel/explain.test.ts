/** Reads the same kills live and from the kernel log. Every field that both readings have must be equal. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import type { OomKill } from '../../src/model/events.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { explain } from '../explain/corpus.ts';
import { MIB, oomKill, removeMemoryGroups } from './memcg.ts';
import { Recorder } from './recorder.ts';

/** `OOMSCOPE_FULL=1 npm test` makes a hundred kills. */
const KILLS = process.env.OOMSCOPE_FULL ? 100 : 20;
/** The kernel prints ten reports in five seconds (DEFAULT_RATELIMIT_INTERVAL), and after that only the kills. */
const PACE_MS = 520;

class Kmsg implements Disposable {
  readonly #fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  readonly #record = Buffer.alloc(16 * 1024);

  /** The kernel log text since the last call. */
  read(): string {
    let text = '';
    for (;;) {
      try {
        text += this.#record.toString('latin1', 0, readSync(this.#fd, this.#record));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') return text;
        if (code !== 'EPIPE') throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** From 6.2 to 6.x the log has the approximate RSS. */
function rssOf({ victim }: OomKill, report: OomReport) {
  const { memory } = victim;
  const rough = memory?.approximate;
  return rough && rough.anon_rss_bytes === report.victim?.memory.anon_rss_bytes ? rough : memory;
}

function shared(kill: OomKill, report: OomReport) {
  const rss = rssOf(kill, report);
  const flags = (gfp: string | null | undefined) => gfp?.split('|').sort(); // their order differs by kernel
  const whole = { head: report.parts.includes('head'), summary: report.parts.includes('summary') };
  const live = {
    victim: {
      ...{ pid: kill.victim.pid, tid: kill.victim.tid, uid: kill.victim.uid, comm: kill.victim.comm },
      ...{ oom_score_adj: kill.victim.oom_score_adj, unit: kill.victim.unit, pod: kill.victim.pod },
      ...{ anon: rss?.anon_rss_bytes, file: rss?.file_rss_bytes, shmem: rss?.shmem_rss_bytes },
      total_vm: kill.victim.memory?.total_vm_bytes,
      page_tables: Math.floor((kill.victim.memory?.page_tables_bytes ?? 0) / 1024),
    },
    trigger: whole.head && {
      ...{ tid: kill.trigger.tid, comm: kill.trigger.comm, order: kill.trigger.order, gfp_mask: kill.trigger.gfp_mask },
      gfp: flags(kill.trigger.gfp),
    },
    scope: kill.scope,
    rest: whole.summary && {
      ...{
        limit: kill.limit?.path,
        cgroup: kill.victim.cgroup,
        nodemask: kill.nodemask,
        mems: kill.trigger.mems_allowed,
      },
      ...{ limit_bytes: kill.limit?.limit_bytes, usage_bytes: kill.limit?.usage_bytes, version: kill.cgroup_version },
      domain_bytes: kill.domain_bytes,
    },
  };
  const text = {
    victim: {
      ...{ pid: report.victim?.pid, tid: report.victim?.tid, uid: report.victim?.uid, comm: report.victim?.comm },
      ...{
        oom_score_adj: report.victim?.oom_score_adj,
        unit: report.victim?.unit ?? kill.victim.unit,
        pod: report.victim?.pod,
      },
      ...{ anon: report.victim?.memory.anon_rss_bytes, file: report.victim?.memory.file_rss_bytes },
      shmem: report.victim?.memory.shmem_rss_bytes,
      total_vm: report.victim?.memory.total_vm_bytes,
      page_tables: (report.victim?.memory.page_tables_bytes ?? 0) / 1024,
    },
    trigger: whole.head && {
      ...{ tid: report.trigger?.tid, comm: report.trigger?.comm, order: report.trigger?.order },
      gfp_mask: report.trigger?.gfp_mask,
      gfp: flags(report.trigger?.gfp),
    },
    scope: report.scope,
    rest: whole.summary && {
      ...{
        limit: report.limit?.path,
        cgroup: report.victim?.cgroup,
        nodemask: report.nodemask,
        mems: report.trigger?.mems_allowed,
      },
      ...{
        limit_bytes: report.limit?.limit_bytes,
        usage_bytes: report.limit?.usage_bytes,
        version: report.cgroup_version,
      },
      domain_bytes: report.domain_bytes,
    },
  };
  return { live, text };
}

afterEach(() => removeMemoryGroups());

it(`${KILLS} kills, live and read from the kernel's log, agree`, { timeout: 60_000 + KILLS * 2000 }, async () => {
  using kmsg = new Kmsg();
  using recorder = await Recorder.open();
  kmsg.read();
  let log = '';
  const pids: number[] = [];
  for (let i = 0; i < KILLS; i++) {
    const begin = performance.now();
    const { pid } = await oomKill({
      limitBytes: (4 + (i % 5)) * MIB,
      args: ['--comm', `kill ${i}`, '--adj', String(i)],
    });
    pids.push(pid);
    log += kmsg.read();
    await sleep(Math.max(0, PACE_MS - (performance.now() - begin)));
  }
  await Promise.all(pids.map((pid) => recorder.kill(pid)));
  await sleep(100);
  log += kmsg.read();

  const byTid = new Map(explain(Buffer.from(log, 'latin1')).reports.map((report) => [report.victim?.tid, report]));
  let whole = 0;
  for (const pid of pids) {
    const kill = recorder.kills.find(({ victim }) => victim.pid === pid) as OomKill;
    const report = byTid.get(kill.victim.tid) as OomReport;
    expect(report, `the report of ${pid}`).toBeDefined();
    const { live, text } = shared(kill, report);
    expect(text).toEqual(live);
    if (report.parts.includes('summary')) whole++;
    if (report.badness_pages !== null) expect(report.badness_pages).toBe(kill.badness_pages);
  }
  // The kernel prints ten reports in five seconds; other kills on this machine may use them up.
  expect(whole).toBeGreaterThan(KILLS / 4);
});
