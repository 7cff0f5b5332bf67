import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Ladder, type Move, type Situation } from '../../../src/guard/rules/ladder.ts';
import type { Step } from '../../../src/guard/rules/rule.ts';
import { detector, step } from './world.ts';

/** The ladder's moves over time, as short strings. */
function climb(steps: Step[], views: (Partial<Situation> & { nowMs: number })[]): string[] {
  const ladder = new Ladder(steps, Number.POSITIVE_INFINITY);
  return views.map((view) => {
    const move: Move = ladder.move({ victim: 'alive', short: true, holds: (all) => all.length === 0, ...view });
    return 'step' in move ? `${move.kind} ${move.step.do}` : move.kind === 'end' ? move.outcome : move.kind;
  });
}

const whole = [
  step('notify'),
  step('reclaim', { waitMs: 100 }),
  step('freeze', { waitMs: 50 }),
  step('term', { waitMs: 1000 }),
  step('kill', { waitMs: 1000 }),
];

test('takes one step after the other, each after the waiting time of the step before it', () => {
  expect(
    climb(
      whole,
      [0, 0, 0, 99, 100, 149, 150, 1149, 1150, 2149, 2150].map((nowMs) => ({ nowMs })),
    ),
  ).toEqual([
    'take notify',
    'take reclaim',
    'wait',
    'wait',
    'take freeze',
    'wait',
    'take term',
    'wait',
    'take kill',
    'wait',
    'stuck',
  ]);
});

test('ends when memory is no longer short and no signal was sent', () => {
  expect(climb(whole, [{ nowMs: 0 }, { nowMs: 0 }, { nowMs: 100, short: false }])).toEqual([
    'take notify',
    'take reclaim',
    'recovered',
  ]);
});

test('does not kill a process that frees enough memory after SIGTERM', () => {
  const steps = [step('term', { waitMs: 100 }), step('kill', { waitMs: 100 })];
  expect(climb(steps, [{ nowMs: 0 }, { nowMs: 50, short: false }, { nowMs: 100, short: false }])).toEqual([
    'take term',
    'wait',
    'survived',
  ]);
});

test('passes over a step whose `if` is false', () => {
  const never = [detector({ name: 'growth' }, '>', 0)];
  const steps = [step('freeze', { if: never, waitMs: 1000 }), step('term', { waitMs: 10 })];
  expect(climb(steps, [{ nowMs: 0 }, { nowMs: 0 }, { nowMs: 5 }])).toEqual(['pass freeze', 'take term', 'wait']);
});

test('takes a step before its turn when its `atOnce` is true', () => {
  const worse = [detector({ name: 'available' }, '<=', 5)];
  const steps = [
    step('term', { waitMs: Number.POSITIVE_INFINITY }),
    step('kill', { if: worse, atOnce: worse, waitMs: 10 }),
  ];
  const holds: Situation['holds'] = () => true;
  expect(climb(steps, [{ nowMs: 0 }, { nowMs: 9e9 }, { nowMs: 9e9, holds }])).toEqual([
    'take term',
    'wait',
    'take kill',
  ]);
  // `atOnce` is already true at the start: the ladder skips `term` and takes `kill`.
  expect(climb(steps, [{ nowMs: 0, holds }])).toEqual(['take kill']);
});

describe('the victim', () => {
  it('has exited, so the ladder ends', () =>
    expect(climb(whole, [{ nowMs: 0 }, { nowMs: 1, victim: 'gone' }])).toEqual(['take notify', 'gone']));
  it('is dying, so no further step is taken until it counts as stuck', () => {
    const steps = [step('kill', { waitMs: 10 }), step('kill', { waitMs: 10 })];
    const dying = (nowMs: number) => ({ nowMs, victim: 'dying' as const });
    expect(climb(steps, [{ nowMs: 0 }, dying(20), dying(10_019), dying(10_020)])).toEqual([
      'take kill',
      'wait',
      'wait',
      'stuck',
    ]);
  });
});

test('always ends, and takes each step at most once, in the order of the rule', () => {
  const anyStep = fc.record({
    do: fc.constantFrom<Step['do']>('notify', 'freeze', 'term', 'kill'),
    waitMs: fc.nat(500),
    if: fc.constantFrom<Step['if']>([], [detector({ name: 'growth' }, '>', 0)]),
    atOnce: fc.constantFrom<Step['if']>([], [detector({ name: 'growth' }, '>', 0)]),
  });
  const seen = fc.record({
    short: fc.boolean(),
    bad: fc.boolean(),
    victim: fc.constantFrom('alive', 'alive', 'alive', 'dying', 'gone'),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 6 }), fc.array(seen, { maxLength: 40 }), (steps, situations) => {
      const ladder = new Ladder(steps, Number.POSITIVE_INFINITY);
      let [nowMs, last, turn] = [0, -1, 0];
      for (;;) {
        const { short, bad, victim } = situations[turn++] ?? { short: true, bad: false, victim: 'alive' as const };
        const move = ladder.move({ nowMs, short, victim, holds: (all) => all.length === 0 || bad });
        if (move.kind === 'end') return;
        if (move.kind === 'wait') {
          expect(move.ms).toBeGreaterThan(0);
          nowMs += move.ms;
        } else {
          const index = steps.indexOf(move.step);
          expect(index).toBeGreaterThan(last);
          last = index;
        }
        expect(turn).toBeLessThan(2000);
      }
    }),
  );
});
