/** Logs that people published, each with the expected values as read by a person: see the README in their directory. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../../src/explain/read-text.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { explain } from './corpus.ts';

export const PUBLIC = join(import.meta.dirname, '../fixtures/public-logs');

type Value = string | number | boolean | null;

export interface Reading {
  file: string;
  kernel: string;
  shape: string;
  source: string;
  reports: Record<string, Value>[];
  other?: string[];
}

export type Judgement = 'right' | 'poor' | 'missed' | 'wrong';

export const readings = JSON.parse(readFileSync(join(PUBLIC, 'readings.json'), 'utf8')) as Reading[];

const kib = (bytes: number | null | undefined) => (bytes == null ? null : bytes / 1024);

/** The fields of a report, under the names that are used in readings.json. */
function fieldsOf(report: OomReport): Record<string, Value> {
  const { victim, trigger, limit, memory } = report;
  return {
    trigger: trigger?.comm ?? null,
    trigger_tid: trigger?.tid ?? null,
    order: trigger?.order ?? null,
    gfp_mask: trigger?.gfp_mask ?? null,
    gfp: trigger?.gfp ?? null,
    cpuset: trigger?.cpuset ?? null,
    stack: trigger?.stack[0] ?? null,
    nodemask: report.nodemask,
    kernel: report.kernel,
    victim: victim?.comm ?? null,
    victim_pid: victim?.tid ?? null,
    uid: victim?.uid ?? null,
    adj: victim?.oom_score_adj ?? null,
    score: victim?.score ?? null,
    inferred: victim ? (victim as { inferred?: boolean }).inferred === true : null,
    chosen_pid: (victim as { chosen?: { pid: number } | null } | null)?.chosen?.pid ?? victim?.tid ?? null,
    total_vm_kib: kib(victim?.memory.total_vm_bytes),
    anon_kib: kib(victim?.memory.anon_rss_bytes),
    group: report.group.length,
    scope: report.scope,
    limit: limit?.path ?? null,
    limit_kib: kib(limit?.limit_bytes),
    outcome: report.outcome,
    panic: report.panic,
    cause: report.verdict.cause,
    tasks: report.tasks.length,
    free_kib: kib(memory?.totals.free),
    total_slab_u_kib: kib(memory?.totals.slab_unreclaimable),
    zone_free_kib: kib(memory?.zones[0]?.free_bytes),
    swap_total_kib: kib(memory?.swap_total_bytes),
    slab: memory?.slabs[0]?.name ?? null,
    time: report.time.slice(0, 19),
  };
}

/** All sentences of a report. */
export function wordsOf({ verdict, message, warnings }: OomReport): string {
  const advice = verdict.advice.flatMap((one) => [one.do, one.because]);
  return [
    message,
    verdict.why,
    verdict.choice,
    verdict.culprit,
    ...verdict.factors.map(({ text }) => text),
    ...advice,
    ...warnings,
  ].join('\n');
}

/** @returns the judgement, and the differences from the expected values */
export function judge({ file, reports: expected, other }: Reading): { judgement: Judgement; differences: string[] } {
  const { reports } = explain(readFileSync(join(PUBLIC, file)));
  const differences: string[] = [];
  let worst: Judgement = 'right';
  const rank: Judgement[] = ['right', 'poor', 'missed', 'wrong'];
  const note = (judgement: Judgement, text: string) => {
    differences.push(text);
    if (rank.indexOf(judgement) > rank.indexOf(worst)) worst = judgement;
  };
  if (reports.length < expected.length) note('missed', `${reports.length} of ${expected.length} reports`);
  if (reports.length > expected.length) note('wrong', `${reports.length} reports instead of ${expected.length}`);
  const programs = readText(readFileSync(join(PUBLIC, file), 'utf8'), file).others.map(({ program }) => program);
  if (other && String(programs) !== String(other)) note('missed', `other programs: ${programs}, not ${other}`);
  for (const [i, reading] of expected.entries()) {
    const report = reports[i];
    if (!report) continue;
    const fields = fieldsOf(report);
    for (const [name, value] of Object.entries(reading)) {
      if (name === 'never') {
        if (wordsOf(report).includes(String(value))) note('wrong', `${i}: says "${value}"`);
      } else if (fields[name] !== value) {
        const lacks = fields[name] === null || fields[name] === 0 || (name === 'outcome' && fields[name] === 'unknown');
        note(lacks ? 'poor' : 'wrong', `${i}: ${name} is ${fields[name]}, not ${value}`);
      }
    }
  }
  return { judgement: worst, differences };
}
