/** Marble tests of the operators: n, l, m, c are levels; capitals are levels of another subject. A frame is 1 ms. */
import { from, map, type Observable } from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import { noOwner } from '../../src/model/container.ts';
import type { Envelope } from '../../src/model/events.ts';
import { levelNames } from '../../src/model/level.ts';
import type { PressureLevelName, PressureSubject } from '../../src/model/pressure.ts';
import { episode } from '../../src/stream/episode.ts';
import { levelAtLeast } from '../../src/stream/level-at-least.ts';
import { perCgroup } from '../../src/stream/per-cgroup.ts';
import { rateLimited } from '../../src/stream/rate-limited.ts';
import { sustained } from '../../src/stream/sustained.ts';

interface Levelled {
  subject: PressureSubject;
  level: PressureLevelName;
  previous: PressureLevelName;
}

const subject = (path: string): PressureSubject => ({ scope: 'cgroup', path, id: path, ...noOwner });

/** `lm` is a change from low to medium. A single letter is a change from `normal`. */
function event(name: string): Levelled {
  const of = (letter: string) => levelNames.find((level) => level[0] === letter.toLowerCase()) ?? 'normal';
  const path = name === name.toLowerCase() ? '/a' : '/B';
  return {
    subject: subject(path),
    level: of(name.at(-1) as string),
    previous: of(name.length > 1 ? (name[0] as string) : 'n'),
  };
}
const values = Object.fromEntries([...'nlmcNLMC'].map((letter) => [letter, event(letter)]));

const marbles = (test: (helpers: RunHelpers, scheduler: TestScheduler) => void) => () => {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => test(helpers, scheduler));
};

describe('levelAtLeast', () => {
  it(
    'passes the first event that reaches the level, and all later events until the return to normal',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot<Levelled>('       -l-m-c-l-n-l-n-c-n-|', values);
      expectObservable(source.pipe(levelAtLeast('medium'))).toBe('---m-c-l-n-----c-n-|', values);
      expectSubscriptions(source.subscriptions).toBe('           ^------------------!');
    }),
  );

  it(
    'has separate state for each subject and each subscription',
    marbles(({ cold, expectObservable }) => {
      const passing = cold<Levelled>('mLNln|', values).pipe(levelAtLeast('medium'));
      expectObservable(passing).toBe('m--ln|', values);
      expectObservable(passing).toBe('m--ln|', values);
    }),
  );

  it(
    'passes an error of the source',
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold<Levelled>('c#', values).pipe(levelAtLeast('low'))).toBe('c#', values);
    }),
  );
});

describe('sustained', () => {
  it(
    'passes the latest event after the condition has held for durationMs, then every event until it ends',
    marbles(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
      const source = hot<Levelled>('-l-m------c--n--l-n-|', values);
      const expected = '             ------m---c--n------|';
      expectObservable(source.pipe(sustained(5, { scheduler }))).toBe(expected, values);
      expectSubscriptions(source.subscriptions).toBe('^-------------------!');
    }),
  );

  it(
    'passes nothing if the condition ends sooner, and starts the time again for the next one',
    marbles(({ hot, expectObservable }, scheduler) => {
      const source = hot<Levelled>('-c--n-c--n-c--------|', values);
      const expected = '             ----------------c---|';
      expectObservable(source.pipe(sustained(5, { scheduler }))).toBe(expected, values);
    }),
  );

  it(
    'uses the condition of the option `holds`',
    marbles(({ hot, expectObservable }, scheduler) => {
      const source = hot<Levelled>('-l---c---l----c------|', values);
      const expected = '             -------------------c-|';
      const holds = ({ level }: Levelled) => level === 'critical';
      expectObservable(source.pipe(sustained(5, { holds, scheduler }))).toBe(expected, values);
    }),
  );

  it(
    'cancels its timer when the subscriber unsubscribes',
    marbles(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
      const source = hot<Levelled>('-c----------', values);
      expectObservable(source.pipe(sustained(5, { scheduler })), '^--!').toBe('----', values);
      expectSubscriptions(source.subscriptions).toBe('^--!');
    }),
  );

  it(
    'passes an error of the source at once',
    marbles(({ hot, expectObservable }, scheduler) => {
      expectObservable(hot<Levelled>('-c-#', values).pipe(sustained(5, { scheduler }))).toBe('---#', values);
    }),
  );
});

describe('perCgroup', () => {
  it(
    'applies the operators to each subject separately',
    marbles(({ hot, expectObservable }, scheduler) => {
      const source = hot<Levelled>('-cL-N-------C------|', values);
      const expected = '             ------c----------C-|';
      const alone = perCgroup<Levelled, Levelled>(sustained(5, { scheduler }), { scheduler });
      expectObservable(source.pipe(alone)).toBe(expected, values);
    }),
  );

  it(
    'drops the state of a cgroup without events, and leaves no timer',
    marbles(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
      let made = 0;
      const count = (source: Observable<Levelled>) => {
        made++;
        return source;
      };
      const source = hot<Levelled>('-c--c----------c-|', values);
      expectObservable(source.pipe(perCgroup(count, { idleMs: 6, scheduler }))).toBe('-c--c----------c-|', values);
      expectSubscriptions(source.subscriptions).toBe('^----------------!');
      scheduler.flush();
      expect(made).toBe(2);
    }),
  );
});

describe('rateLimited', () => {
  it(
    'passes `count` events at once, then one event for each refilled token',
    marbles(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
      const dropped: number[] = [];
      const source = hot('abcdefghij------k|');
      const limited = source.pipe(rateLimited({ count: 2, perMs: 8, onDropped: (n) => dropped.push(n), scheduler }));
      expectObservable(limited).toBe('ab--e---i-------k|');
      expectSubscriptions(source.subscriptions).toBe('^----------------!');
      scheduler.flush();
      expect(dropped).toEqual([2, 3, 1]);
    }),
  );

  it(
    'passes all events for which `always` returns true',
    marbles(({ hot, expectObservable }, scheduler) => {
      const limited = rateLimited<Levelled>({
        count: 1,
        perMs: 100,
        always: ({ level }) => level === 'normal',
        scheduler,
      });
      expectObservable(hot<Levelled>('cmncn|', values).pipe(limited)).toBe('c-n-n|', values);
    }),
  );

  it(
    'has a separate token bucket for each subscription',
    marbles(({ cold, expectObservable }, scheduler) => {
      const limited = cold('abc|').pipe(rateLimited({ count: 1, perMs: 100, scheduler }));
      expectObservable(limited).toBe('a--|');
      expectObservable(limited).toBe('a--|');
    }),
  );

  it('throws USAGE for values that are out of range', () => {
    expect(() => rateLimited({ count: 0, perMs: 1 })).toThrow('got 0 in 1 ms');
    expect(() => rateLimited({ count: 1, perMs: 0 })).toThrow('expected a count of at least 1');
  });
});

describe('episode', () => {
  type Full = Envelope & Levelled;
  const full = (names: string[]) =>
    names.map((name, i) => ({ ...event(name), id: `event-${i}`, mono_ns: String(i * 1_000_000) }) as Full);
  const steps = (names: string[]) => {
    const lines: string[] = [];
    from(full(names))
      .pipe(episode())
      .subscribe((each) =>
        lines.push(`${each.subject.path} ${each.id} ${each.state} ${each.peak} ${each.duration_ns / 1e6}`),
      );
    return lines;
  };

  it('reports only the steps begun, worse and over', () => {
    expect(steps(['n', 'l', 'm', 'l', 'c', 'm', 'n', 'n'])).toEqual([
      '/a event-1 begun low 0',
      '/a event-1 worse medium 1',
      '/a event-1 worse critical 3',
      '/a event-1 over critical 5',
    ]);
  });

  it('has separate episodes for each subject', () => {
    expect(steps(['c', 'L', 'n', 'N'])).toEqual([
      '/a event-0 begun critical 0',
      '/B event-1 begun low 0',
      '/a event-0 over critical 2',
      '/B event-1 over low 2',
    ]);
  });

  it('uses the episode id of the events, if they have one', () => {
    const events = full(['l', 'n']).map((each) => ({ ...each, episode: 'e7' }));
    const ids: string[] = [];
    from(events)
      .pipe(episode())
      .subscribe(({ id }) => ids.push(id));
    expect(ids).toEqual(['e7', 'e7']);
  });

  it(
    'has separate episodes for each subscription, and passes an error of the source',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Full>('l-m#', Object.fromEntries(full(['l', 'm']).map((each) => [each.level[0], each])));
      const states = source.pipe(
        episode(),
        map(({ state }) => state[0]),
      );
      expectObservable(states).toBe('b-w#');
      expectObservable(states).toBe('b-w#');
      expectSubscriptions(source.subscriptions).toBe(['^--!', '^--!']);
    }),
  );
});
