/** Detectors, the conditions of rules: "available <= 10 %", "system.pressure.full.avg10 > 40 % for 30s". */

import type { Detector, Metric } from '../guard/rules/rule.ts';
import type { GuardReading } from '../model/guard.ts';
import { suggestion } from '../text/did-you-mean.ts';
import { durationOf, durationWithin, parsed, type Shape, show, sizeOf } from './shape.ts';

type Unit = GuardReading['unit'];

interface Kind {
  metric: Metric;
  /** Units that a limit of this metric can have. */
  units: readonly Unit[];
}

const kinds: Record<string, Kind> = {
  available: { metric: { name: 'available' }, units: ['percent', 'bytes'] },
  swap_free: { metric: { name: 'swap_free' }, units: ['percent', 'bytes'] },
  usage: { metric: { name: 'usage' }, units: ['percent', 'bytes'] },
  zram: { metric: { name: 'zram' }, units: ['percent', 'bytes'] },
  growth: { metric: { name: 'growth' }, units: ['bytes_per_second'] },
  exhausted_in: { metric: { name: 'exhausted_in' }, units: ['seconds'] },
  rounds_left: { metric: { name: 'rounds_left' }, units: ['rounds'] },
  ...Object.fromEntries(
    (['some', 'full'] as const).flatMap((share) =>
      (['avg10', 'avg60', 'avg300'] as const).map((over): [string, Kind] => [
        `pressure.${share}.${over}`,
        { metric: { name: 'pressure', share, over }, units: ['percent'] },
      ]),
    ),
  ),
};

const shapes: Record<Unit, string> = {
  percent: 'percent, as in "10 %"',
  bytes: 'a size, as in "64M"',
  bytes_per_second: 'a rate, as in "50M/s"',
  seconds: 'a time, as in "10s"',
  rounds: 'a number, as in "8"',
};

export const detector: Shape<Detector> = parsed(
  'a detector such as "available <= 10 %" or "pressure.full.avg10 > 40 % for 30s"',
  parseDetector,
);

/** Longest detector. The regular expression that parses it takes time proportional to the square of the length. */
const MOST_LENGTH = 200;

/** @throws Error whose message says what was expected */
export function parseDetector(text: string): Detector {
  if (text.length > MOST_LENGTH)
    throw new Error(`expected a detector of at most ${MOST_LENGTH} characters, got ${show(text)}.`);
  const match = /^\s*(system\.)?([a-z0-9_.]+)\s*(<=|>=|<|>)\s*([^\s].*?)\s*(?:\bfor\s+(\S.*?)\s*)?$/i.exec(text);
  const [, system, name, operator, amount, time] = match ?? [];
  if (!match || name === undefined || amount === undefined) {
    throw new Error(
      `expected "METRIC < VALUE" (or <=, >, >=), followed by "for TIME" if the condition must hold for some time, got ${show(text)}.`,
    );
  }
  const { metric, units } = kindOf(name);
  const { limit, unit } = parseAmount(amount, units, text);
  return {
    text: text.trim().replaceAll(/\s+/g, ' '),
    place: system === undefined ? 'subject' : 'system',
    metric,
    operator: operator as Detector['operator'],
    limit,
    unit,
    forMs: time === undefined ? 0 : durationWithin(time),
  };
}

function kindOf(name: string): Kind {
  if (Object.hasOwn(kinds, name)) return kinds[name] as Kind;
  const [, share, over] = /^pressure\.(some|full)\.(\d+m?s)$/.exec(name) ?? [];
  if (over !== undefined) {
    return {
      metric: { name: 'pressure', share: share as 'some' | 'full', over: durationOf(over) },
      units: ['percent'],
    };
  }
  const known = [...Object.keys(kinds), 'pressure.some.100ms', 'pressure.full.100ms'];
  throw new Error(`there is no metric "${name}". ${suggestion(name, known)}`);
}

function parseAmount(amount: string, units: readonly Unit[], text: string): { limit: number; unit: Unit } {
  const number = '(\\d+(?:\\.\\d+)?)';
  const [, percent] = new RegExp(`^${number} ?%$`).exec(amount) ?? [];
  const [, rate] = /^(.+?)\/s$/.exec(amount) ?? [];
  const [, plain] = new RegExp(`^${number}$`).exec(amount) ?? [];
  const fits = (unit: Unit) => units.includes(unit);
  try {
    if (percent !== undefined && Number.isFinite(Number(percent)) && fits('percent'))
      return { limit: Number(percent), unit: 'percent' };
    if (rate !== undefined && fits('bytes_per_second')) return { limit: sizeOf(rate), unit: 'bytes_per_second' };
    if (fits('seconds')) return { limit: durationOf(amount) / 1000, unit: 'seconds' };
    if (plain !== undefined && Number.isFinite(Number(plain)) && fits('rounds'))
      return { limit: Number(plain), unit: 'rounds' };
    if (plain === undefined && percent === undefined && fits('bytes')) return { limit: sizeOf(amount), unit: 'bytes' };
  } catch {
    // the message below names every form that this metric takes
  }
  const expected = units.map((unit) => shapes[unit]).join(', or ');
  throw new Error(`expected ${expected}, got ${show(amount)} in ${show(text)}.`);
}
