/** These tests use simulated PSI files and a simulated clock, because no test can create pressure of an exact share. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import { Survey } from '../../src/memory/survey.ts';
import type { PressureLevel } from '../../src/model/pressure.ts';
import { PsiLevelTracker } from '../../src/pressure/psi-level-tracker.ts';
import { schemaErrors } from '../schema.ts';

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'oomscope-psi-'));
  mkdirSync(join(proc, 'pressure'));
  writeFileSync(join(proc, 'meminfo'), 'MemTotal: 1024 kB\nMemAvailable: 512 kB\n');
});
afterEach(() => rmSync(proc, { recursive: true }));

/** @param shares for each second, `some` and `full` in percent */
function watch(shares: [some: number, full: number][]): PressureLevel[] {
  let ms = 0;
  const total = { some: 0, full: 0 };
  const put = () => {
    const line = (us: number) => `avg10=0.00 avg60=0.00 avg300=0.00 total=${us}\n`;
    writeFileSync(join(proc, 'pressure', 'memory'), `some ${line(total.some)}full ${line(total.full)}`);
  };
  put();
  using survey = new Survey({ proc, cgroups: undefined, now: () => ms });
  const events: PressureLevel[] = [];
  const tracker = new PsiLevelTracker({
    survey,
    envelopes: new EnvelopeFactory(),
    wants: () => true,
    emit: (event) => events.push(event),
  });
  tracker.update(survey.sample());
  for (const [some, full] of shares) {
    ms += 1000;
    total.some += some * 10_000;
    total.full += full * 10_000;
    put();
    tracker.update(survey.sample());
  }
  for (const event of events) expect(schemaErrors(event)).toEqual([]);
  return events;
}

test('reports an episode from its beginning to its end', () => {
  const events = watch([
    [0, 0],
    [15, 0],
    [70, 10],
    [40, 0],
    [5, 0],
    [0, 0],
  ]);
  expect(events.map(({ previous, level }) => `${previous} ${level}`)).toEqual([
    'normal low',
    'low critical',
    'critical medium',
    'medium normal',
  ]);
  expect(new Set(events.map(({ episode }) => episode)).size).toBe(1);
  const over = events.at(-1);
  expect(over).toMatchObject({ severity: 'info', duration_ns: 4e9, stalls: 0, decided_by_seconds: 1 });
  expect(over?.peak).toEqual({ level: 'critical', some: 0.7, full: 0.1 });
  // The sum of the stalled times: 0.15 s + 0.7 s + 0.4 s + 0.05 s.
  expect((over?.stall_ns.other ?? 0) / 1e9).toBeCloseTo(1.3, 6);
});

test('derives a higher level from `full` than from the same share of `some`', () => {
  expect(watch([[25, 21]]).map(({ level }) => level)).toEqual(['medium']);
  expect(watch([[45, 45]]).map(({ level }) => level)).toEqual(['critical']);
});

test('reports nothing without stalls', () => {
  expect(
    watch([
      [0, 0],
      [9, 9],
      [0, 0],
    ]),
  ).toEqual([]);
});
