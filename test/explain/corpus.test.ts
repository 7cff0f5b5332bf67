/**
 * Compares every number that explain reads from the corpus with a second, independent reader, that of the kernel tests.
 * For fields that it does not read, a regular expression finds the expected value.
 */
import { describe, expect, it } from 'vitest';
import type { OomReport } from '../../src/model/oom-report.ts';
import { type KernelLogLine, parseKernelLogLine } from '../kernel/kernel-log.ts';
import { schemaErrors } from '../schema.ts';
import { explain, fixture, fixtures, forms, linesOf, recordsOf } from './corpus.ts';
import { unfounded } from './unfounded.ts';

/** The lines of each report, parsed by the independent reader. */
function independent(kmsg: string): { lines: KernelLogLine[]; text: string }[] {
  const reports: { lines: KernelLogLine[]; text: string }[] = [];
  for (const record of recordsOf(kmsg)) {
    const line = parseKernelLogLine(record);
    const last = reports.at(-1);
    const alone =
      line?.type === 'killed' &&
      last?.lines.some(({ type }) => type === 'killed') &&
      !last.text.includes('memory.oom.group');
    if (line?.type === 'invoked' || alone) reports.push({ lines: [], text: '' });
    const current = reports.at(-1);
    if (!current) continue;
    if (line) current.lines.push(line);
    current.text += `${Buffer.from(record.text, 'latin1')}\n`;
  }
  return reports;
}

const scopes = {
  system: 'CONSTRAINT_NONE',
  cpuset: 'CONSTRAINT_CPUSET',
  mempolicy: 'CONSTRAINT_MEMORY_POLICY',
  cgroup: 'CONSTRAINT_MEMCG',
};
const number = (text: string, pattern: RegExp) => {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? null : Number(digits);
};

describe.each(fixtures)('%s', (name) => {
  const kmsg = fixture(name);
  const { reports, warnings } = explain(Buffer.from(kmsg, 'latin1'));
  const expected = independent(kmsg);

  it('gives as many reports as the independent reader, each valid and without a warning', () => {
    expect(reports.length).toBeGreaterThan(0);
    expect(reports).toHaveLength(expected.length);
    expect(warnings).toEqual([]);
    for (const report of reports) {
      expect(report.warnings).toEqual([]);
      expect(schemaErrors(report)).toEqual([]);
    }
  });

  it('agrees with the independent reader on trigger, tasks, summary and victims', () => {
    for (const [i, report] of reports.entries()) {
      const { lines } = expected[i] as { lines: KernelLogLine[] };
      const { trigger, victim, group } = report;
      for (const line of lines) {
        if (line.type !== 'invoked') continue;
        expect(trigger).toMatchObject({
          comm: line.comm,
          gfp_mask: line.gfpMask,
          gfp: line.gfpNames,
          order: line.order,
        });
      }
      const page = report.page_bytes;
      const tasks = lines.filter((line) => line.type === 'task');
      expect(
        report.tasks.map(
          ({ tid, pid, uid, total_vm_bytes, rss_bytes, page_tables_bytes, swap_bytes, oom_score_adj, comm }) => ({
            tid,
            pid,
            uid,
            total_vm_bytes,
            rss_bytes,
            page_tables_bytes,
            swap_bytes,
            oom_score_adj,
            comm,
          }),
        ),
      ).toEqual(
        tasks.map((task) => ({
          tid: task.pid,
          pid: task.tgid,
          uid: task.uid,
          total_vm_bytes: task.totalVmPages * page,
          rss_bytes: task.rssPages * page,
          page_tables_bytes: task.pageTableBytes,
          swap_bytes: task.swapPages * page,
          oom_score_adj: task.oomScoreAdj,
          comm: task.comm,
        })),
      );
      const [summary] = lines.filter((line) => line.type === 'oom');
      if (summary) {
        expect(scopes[report.scope as keyof typeof scopes]).toBe(summary.constraint);
        expect(report.nodemask).toBe(summary.nodemask);
        expect(trigger).toMatchObject({ cpuset: summary.cpuset, mems_allowed: summary.memsAllowed });
        expect(report.limit?.path ?? null).toBe(summary.oomMemcg);
        expect(victim).toMatchObject({ pid: summary.pid, uid: summary.uid, cgroup: summary.taskMemcg });
      }
      const killed = lines.filter((line) => line.type === 'killed');
      const pids = [...new Set(killed.map(({ pid }) => pid))];
      expect([victim, ...group].flatMap((one) => one?.tid ?? [])).toEqual(pids);
      for (const line of killed) {
        const one = [victim, ...group].find((other) => other?.tid === line.pid);
        expect(one).toMatchObject({
          comm: line.comm,
          uid: line.uid,
          oom_score_adj: line.oomScoreAdj,
          reason: line.reason,
        });
        expect(one?.memory).toMatchObject({
          total_vm_bytes: line.totalVmKiB * 1024,
          anon_rss_bytes: line.anonRssKiB * 1024,
          file_rss_bytes: line.fileRssKiB * 1024,
          shmem_rss_bytes: line.shmemRssKiB * 1024,
          rss_bytes: (line.anonRssKiB + line.fileRssKiB + line.shmemRssKiB) * 1024,
          page_tables_bytes: line.pageTablesKiB * 1024,
        });
      }
    }
  });

  it('agrees with a regular expression search on limits, zones, swap and sizes', () => {
    for (const [i, report] of reports.entries()) {
      const { text } = expected[i] as { text: string };
      const kib = (pattern: RegExp) => {
        const found = number(text, pattern);
        return found === null || found >= 9007199254740988 ? null : found * 1024;
      };
      expect(report.limit?.usage_bytes ?? null).toBe(kib(/^memory: usage (\d+)kB/m));
      expect(report.limit?.limit_bytes ?? null).toBe(kib(/^memory: usage \d+kB, limit (\d+)kB/m));
      expect(report.limit?.fail_count ?? null).toBe(number(text, /^memory: .*failcnt (\d+)/m));
      expect(report.limit?.swap_bytes ?? null).toBe(kib(/^swap: usage (\d+)kB/m));
      expect(report.limit?.memory_and_swap_limit_bytes ?? null).toBe(kib(/^memory\+swap: usage \d+kB, limit (\d+)kB/m));
      expect(report.limit?.kernel_bytes ?? null).toBe(kib(/^kmem: usage (\d+)kB/m));
      const stats = [...text.matchAll(/^([a-z]\w*) (\d+)$/gm)].map(([, key, value]) => [key, Number(value)]);
      expect(report.limit?.stats.flatMap(({ values }) => Object.entries(values)) ?? []).toEqual(stats);

      const zones = [
        ...text.matchAll(
          /^Node (\d+) (\w+) free:(\d+)kB.*? min:(\d+)kB low:(\d+)kB high:(\d+)kB.* present:(\d+)kB managed:(\d+)kB/gm,
        ),
      ];
      expect(
        report.memory?.zones.map((zone) => [
          zone.node,
          zone.name,
          zone.free_bytes,
          zone.min_bytes,
          zone.low_bytes,
          zone.high_bytes,
          zone.present_bytes,
          zone.managed_bytes,
        ]) ?? [],
      ).toEqual(
        zones.map(([, node, zone, ...sizes]) => [Number(node), zone, ...sizes.map((size) => Number(size) * 1024)]),
      );
      // The sizes of the free blocks add up to the total that the kernel prints at the end of the line.
      for (const [, node, zone, total] of text.matchAll(/^Node (\d+) (\w+): .* = (\d+)kB$/gm)) {
        const { free_blocks: blocks } =
          report.memory?.zones.find((one) => one.node === Number(node) && one.name === zone) ?? {};
        expect(blocks?.reduce((sum, count, order) => sum + count * 2 ** order * report.page_bytes, 0)).toBe(
          Number(total) * 1024,
        );
      }
      expect(report.memory?.swap_total_bytes ?? null).toBe(kib(/^Total swap = (\d+)kB/m));
      expect(report.memory?.swap_free_bytes ?? null).toBe(kib(/^Free swap {2}= (\d+)kB/m));
      const pages = (pattern: RegExp) => {
        const found = number(text, pattern);
        return found === null ? null : found * report.page_bytes;
      };
      expect(report.memory?.ram_bytes ?? null).toBe(pages(/^(\d+) pages RAM/m));
      expect(report.memory?.reserved_bytes ?? null).toBe(pages(/^(\d+) pages reserved/m));
      expect(report.memory?.totals.slab_unreclaimable ?? null).toBe(pages(/ slab_unreclaimable:(\d+)\n/m));
      expect(report.memory?.slabs.map(({ used_bytes, total_bytes }) => [used_bytes, total_bytes]) ?? []).toEqual(
        [...text.matchAll(/ (\d+)KB +(\d+)KB$/gm)].map(([, used, total]) => [
          Number(used) * 1024,
          Number(total) * 1024,
        ]),
      );
      expect(report.memory?.hugepages.length ?? 0).toBe([...text.matchAll(/hugepages_total=/g)].length);
    }
  });

  it('reports no number that is not in the log', () => {
    for (const report of reports) expect(unfounded(report, kmsg)).toEqual([]);
  });

  it('computes the same choice as the kernel', () => {
    for (const { verdict, victim, tasks } of reports) {
      if (victim?.reason?.includes('allocating_task') || tasks.length === 0) continue;
      expect(verdict.choice_agrees).toBe(victim ? true : null);
    }
  });

  // Text formats cut a line at a line feed in a process name, so hostile names cannot be compared.
  if (name.includes('hostile')) return;

  it('is read the same in every log format', () => {
    const facts = ({
      scope,
      victim,
      group,
      trigger,
      limit,
      memory,
      tasks,
      outcome,
      domain_bytes,
      verdict,
      warnings: faults,
    }: OomReport) => ({
      ...{ scope, victim, group, trigger, limit, memory, tasks, outcome, domain_bytes, verdict, faults },
    });
    for (const [form, write] of Object.entries(forms)) {
      const log = linesOf(kmsg)
        .map((line) => `${write(line)}\n`)
        .join('');
      const { reports: again, warnings: faults } = explain(log, 777);
      expect(faults, form).toEqual([]);
      expect(again.map(facts), form).toEqual(reports.map(facts));
    }
  });
});
