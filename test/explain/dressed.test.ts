/**
 * Changes reports of the lab as other tools and mails do: prefixes, quotes, wrapped lines, cuts, noise, JSON, colours.
 * The reader must find the same kills, or fewer kills and a warning.
 */
import { describe, expect, it } from 'vitest';
import type { OomReport } from '../../src/model/oom-report.ts';
import { seeded } from '../seeded.ts';
import { explain, fixture, fixtures, linesOf } from './corpus.ts';

type Next = () => number;
type Dress = (lines: string[], next: Next) => string[];
const one = <T>(list: readonly T[], next: Next) => list[Math.floor(next() * list.length)] as T;
const digits = (next: Next) => String(Math.floor(next() * 60)).padStart(2, '0');

/** All lines of a report have the same second in their time stamp, because the kernel prints them at once. */
const prefixes: ((second: string) => (line: string) => string)[] = [
  () => (line) => line,
  (second) => (line) => `Jan  7 03:04:${second} host-1 kernel: ${line}`,
  (second) => (line) => `[mer. janv.  7 03:04:${second} 2026] ${line}`,
  (second) => (line) => `kern: warning: [2026-01-07T03:04:${second}.000000001Z]: ${line}`,
  (second) => (line) => `Wed Jan  7 03:04:${second} 2026 kern.warn kernel: [    5.0000${second}] ${line}`,
  (second) => (line) => `2026-01-07T03:04:${second}Z node-7 kernel[1]: ${line}`,
  (second) => (line) => `worker-${second} | [    5.0000${second}] ${line}`,
];
const quotes = ['', '> ', '>> > ', '    ', '+', '# ', '| '];

const quote: Dress = (lines, next) => {
  const mark = one(quotes, next);
  return lines.map((line) => mark + line);
};
/** Wraps lines at a blank, as a mail does. */
const fold: Dress = (lines, next) => {
  const width = 72 + Math.floor(next() * 60);
  return lines.flatMap((line) => {
    const parts: string[] = [];
    let rest = line;
    while (rest.length > width) {
      const at = rest.lastIndexOf(' ', width);
      if (at <= 20) break;
      parts.push(rest.slice(0, at));
      rest = rest.slice(at + 1);
    }
    return [...parts, rest];
  });
};
const cut: Dress = (lines, next) => {
  const from = Math.floor(next() * lines.length);
  return next() < 0.5 ? lines.slice(from) : lines.slice(0, from);
};
const interleave: Dress = (lines, next) =>
  lines.flatMap((line) =>
    next() < 0.2 ? [`Jan  7 03:04:05 host-1 sshd[77]: session opened for user ${digits(next)}`, line] : [line],
  );
const json: Dress = (lines) => lines.map((message) => JSON.stringify({ message, level: 'warn' }));
const colour: Dress = (lines) => lines.map((line) => `\x1b[33m${line}\x1b[0m`);
const windows: Dress = (lines) => lines.map((line) => `${line}\r`);

const dresses: Dress[] = [quote, fold, cut, interleave, json, colour, windows];

const kills = (reports: readonly OomReport[]) =>
  reports.flatMap(({ victim, group }) =>
    [victim, ...group].flatMap((each) => (each ? [`${each.tid} ${each.comm}`] : [])),
  );

/** Expects that each field of the victim, the limit and the trigger is the same as in the original report, or null. */
function compare(report: OomReport, original: OomReport, how: string): void {
  const [now, was] = [report.victim, original.victim];
  for (const name of ['uid', 'oom_score_adj'] as const)
    expect([null, was?.[name] ?? null], how).toContain(now?.[name] ?? null);
  const row = original.tasks.find(({ tid }) => tid === was?.tid);
  for (const [name, value] of Object.entries(now?.memory ?? {})) {
    // The task row also has the RSS, measured at another moment than that of the kill line.
    if (name === 'rss_bytes' && value === row?.rss_bytes) continue;
    expect([null, was?.memory[name as 'rss_bytes'] ?? null], `${how} ${name}`).toContain(value);
  }
  expect([null, original.scope], how).toContain(report.scope);
  expect([null, original.limit?.path ?? null], how).toContain(report.limit?.path ?? null);
  expect([null, original.trigger?.comm ?? null], how).toContain(report.trigger?.comm ?? null);
}

describe('a report of the lab', () => {
  // Other tests cover process names with a line feed or a prefix.
  const names = fixtures.filter((name) => !/hostile|storm|killable/.test(name));

  it.each(names)('%s gives the same kills after random changes of its format', (name) => {
    const lines = linesOf(fixture(name)).map(({ text }) => text);
    const original = explain(lines.join('\n')).reports;
    const known = kills(original);
    const next = seeded(name.length * 977 + 11);
    for (let round = 0; round < 12; round++) {
      const prefix = one(prefixes, next)(digits(next));
      const worn = [0, 1, 2].map(() => one(dresses, next)).filter((dress, i, all) => all.indexOf(dress) === i);
      const dressed = worn.reduce((text, dress) => dress(text, next), lines.map(prefix));
      const { reports, warnings } = explain(dressed.join('\n'));
      const how = `${name}, round ${round}: ${worn.map((dress) => Object.entries({ quote, fold, cut, interleave, json, colour, windows }).find(([, each]) => each === dress)?.[0]).join(', ')}, "${dressed[0]?.slice(0, 60)}"`;
      for (const kill of kills(reports)) expect(known, how).toContain(kill);
      // With noise in the middle of a wrapped line a kill may be missed, but then there must be a warning.
      const warned = warnings.length + reports.flatMap((report) => report.warnings).length > 0;
      if (!worn.includes(cut) && !warned) expect(kills(reports), how).toEqual(known);
      for (const report of reports) {
        const same = original.find(({ victim }) => victim && victim.tid === report.victim?.tid);
        if (same) compare(report, same, how);
      }
    }
  });
});
