import { expect, it } from 'vitest';
import { parseWhen } from '../../src/history/when.ts';

const now = new Date(2026, 10, 28, 14, 30, 15).getTime();
const local = (year: number, month: number, day: number, hour = 0, minute = 0, second = 0) =>
  new Date(year, month, day, hour, minute, second).getTime();

it.each<[string, number]>([
  ['now', now],
  ['today', local(2026, 10, 28)],
  ['yesterday', local(2026, 10, 27)],
  ['5 min ago', now - 300_000],
  ['5min ago', now - 300_000],
  ['-2h', now - 7_200_000],
  ['1h 30min ago', now - 5_400_000],
  ['30 days ago', now - 30 * 86_400_000],
  ['1week', now - 7 * 86_400_000],
  ['+10s', now + 10_000],
  ['2026-11-28', local(2026, 10, 28)],
  ['2026-11-28 10:00', local(2026, 10, 28, 10)],
  ['2026-11-28 10:00:05', local(2026, 10, 28, 10, 0, 5)],
  ['Sat 2026-11-28 10:00:05', local(2026, 10, 28, 10, 0, 5)],
  ['2026-11-28T10:00:05Z', Date.UTC(2026, 10, 28, 10, 0, 5)],
  ['2026-11-28T10:00:05.123456789Z', Date.UTC(2026, 10, 28, 10, 0, 5, 123)],
  ['2026-11-28 10:00 UTC', Date.UTC(2026, 10, 28, 10)],
  ['2026-11-28T10:00+0200', Date.UTC(2026, 10, 28, 8)],
  ['03:00', local(2026, 10, 28, 3)],
  ['@1764324000', 1_764_324_000_000],
])('reads the time "%s" as journalctl does', (text, expected) => {
  expect(parseWhen(text, now)).toBe(expected);
});

it.each(['', 'soon', '5 parsecs ago', '2026-02-31', '2026-13-01', '25:00', '@', '5', 'ago', '1h2', '-'])(
  'refuses "%s"',
  (text) => {
    expect(parseWhen(text, now)).toBeUndefined();
  },
);
