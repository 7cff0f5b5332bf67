/**
 * Shows the minute before a kill in a few lines: usage and pressure as bars, one bar for every two seconds, and the
 * processes that grew.
 */

import type { Growth, LeadUp, LeadUpSample } from '../model/pressure.ts';
import { formatBytes, formatPercent, formatRate, formatSpan } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { sparkline } from './sparkline.ts';

const BARS = 30;
const BAR_SECONDS = 2;

/** @returns rows of a label and a text */
export function renderLeadUp({ samples, growth, growers }: LeadUp): [label: string, text: string][] {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || samples.length < 2) return [];
  const rows: [string, string][] = [['usage', usageLine(samples, first, last, growth)]];
  const pressed = samples.map(({ some }) => some ?? 0);
  const peak = Math.max(...pressed);
  if (peak > 0) {
    const full = Math.max(...samples.map((sample) => sample.full ?? 0));
    rows.push([
      'pressure',
      `${bars(samples, 'some', 0, 1)} at most some ${formatPercent(peak)}, full ${formatPercent(full)}`,
    ]);
  }
  for (const [i, { comm, pid, growth_bytes_per_second: speed, rss_bytes }] of growers.slice(0, 3).entries()) {
    const text = `${printable(comm)} (pid ${pid}) ${formatRate(speed ?? 0)}, ${formatBytes(rss_bytes)} resident`;
    rows.push([i === 0 ? 'growing' : '', text]);
  }
  return rows;
}

function usageLine(samples: LeadUpSample[], first: LeadUpSample, last: LeadUpSample, growth: Growth | null): string {
  const used = samples.flatMap(({ usage_bytes }) => (usage_bytes === null ? [] : [usage_bytes]));
  const most = Math.max(...used);
  // Bars start at 0, so that a full cgroup whose usage changes by one page does not seem to grow steeply.
  const line = bars(samples, 'usage_bytes', 0, most);
  const from = `${formatBytes(first.usage_bytes ?? 0)} to ${formatBytes(last.usage_bytes ?? 0)}`;
  const speed =
    growth && Math.abs(growth.bytes_per_second) > growth.uncertainty_bytes_per_second
      ? `, ${formatRate(growth.bytes_per_second)} ± ${formatBytes(growth.uncertainty_bytes_per_second)}/s`
      : '';
  return `${line} ${from} in ${formatSpan(last.at_seconds - first.at_seconds)}${speed}`;
}

function bars(samples: LeadUpSample[], key: 'usage_bytes' | 'some', least: number, most: number): string {
  const values: (number | null)[] = [];
  for (let bar = 0; bar < BARS; bar++) {
    const end = (bar - BARS + 1) * BAR_SECONDS;
    // A bar without a sample of its own repeats the value before it.
    values.push(samples.findLast(({ at_seconds, [key]: value }) => at_seconds <= end && value !== null)?.[key] ?? null);
  }
  const begin = values.findIndex((value) => value !== null);
  return sparkline(values.slice(Math.max(0, begin)), least, most);
}
