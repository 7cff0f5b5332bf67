import { VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it, test } from 'vitest';
import { episode, levelAtLeast } from '../../src/index.ts';
import { OomscopeError } from '../../src/model/error.ts';
import type { Event } from '../../src/model/events.ts';
import { eventsOfType, play, recordings, withChanges } from '../../src/testing/index.ts';
import { schemaErrors } from '../schema.ts';

describe('the recordings', () => {
  // A field that is new in an event needs a new recording: scripts/record-events.ts says how.
  it.each(Object.entries(recordings))('%s is complete, and valid by the schema', (_, events) => {
    expect(events.flatMap(schemaErrors)).toEqual([]);
    expect(events[0]?.type).toBe('tracer.started');
    expect(events.at(-1)?.type).toBe('tracer.stopped');
    expect(eventsOfType(events, 'tracer.lost')).toEqual([]);
    // `seq` counts all events of the tracer, but the recording lacks those about other cgroups: `seq` has gaps.
    const seqs = events.slice(1).map(({ seq }) => seq);
    expect(new Set(seqs).size).toBe(seqs.length);
  });

  it('contain the kills and levels that their documentation names', () => {
    const [kill] = eventsOfType(recordings.containerKill, 'oom.kill');
    expect(kill).toMatchObject({
      kind: 'killed',
      scope: 'cgroup',
      victim: { comm: 'web-server', container: { runtime: 'docker' } },
    });
    expect(kill?.lead_up?.growers[0]?.comm).toBe('web-server');
    expect(kill?.candidates?.map(({ comm }) => comm)).toEqual(['web-server', 'sidecar']);
    const kinds = eventsOfType(recordings.groupKill, 'oom.kill').map((one) => one.kind);
    expect(kinds.toSorted()).toEqual(['group_member', 'killed']);
    expect(eventsOfType(recordings.pressureEpisode, 'oom.kill')).toEqual([]);
    const levels = eventsOfType(recordings.pressureEpisode, 'pressure.level').map(({ level }) => level);
    expect(levels).toContain('critical');
    expect(levels.at(-1)).toBe('normal');
  });

  it('are frozen', () => {
    const [kill] = eventsOfType(recordings.containerKill, 'oom.kill');
    expect(() => Object.assign(kill?.victim ?? {}, { comm: 'x' })).toThrow(TypeError);
  });
});

describe('play', () => {
  it('emits with the pauses of the recording, divided by `speed`, on the given scheduler', () => {
    const scheduler = new VirtualTimeScheduler();
    const times: number[] = [];
    const events: Event[] = [];
    play(recordings.containerKill, { scheduler, speed: 2 }).subscribe((event) => {
      times.push(scheduler.now());
      events.push(event);
    });
    expect(events).toEqual([]);
    scheduler.flush();
    expect(events).toEqual(recordings.containerKill);
    const [first, last] = [events[0], events.at(-1)];
    const realMs = Number(BigInt(last?.mono_ns ?? 0) - BigInt(first?.mono_ns ?? 0)) / 1e6;
    expect(times.at(-1)).toBeGreaterThanOrEqual(realMs / 2 - 1);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('works with the operators of the library', () => {
    const scheduler = new VirtualTimeScheduler();
    const states: string[] = [];
    play(eventsOfType(recordings.pressureEpisode, 'pressure.level'), { scheduler })
      .pipe(levelAtLeast('medium'), episode())
      .subscribe({
        next: ({ state, peak }) => states.push(`${state} ${peak}`),
        complete: () => states.push('complete'),
      });
    scheduler.flush();
    expect(states.at(-2)).toBe('over critical');
    expect(states.at(-1)).toBe('complete');
  });

  it('stops when it is unsubscribed, and starts from the beginning for each subscriber', () => {
    const scheduler = new VirtualTimeScheduler();
    const seen: string[] = [];
    const playing = play(recordings.groupKill, { scheduler, speed: Number.POSITIVE_INFINITY });
    const subscription = playing.subscribe(({ type }) => {
      seen.push(type);
      if (seen.length === 2) subscription.unsubscribe();
    });
    scheduler.flush();
    expect(seen).toHaveLength(2);
    playing.subscribe(({ type }) => seen.push(type));
    scheduler.flush();
    expect(seen).toHaveLength(2 + recordings.groupKill.length);
  });

  it('refuses a speed that is not above 0', () => {
    expect(() => play([], { speed: 0 })).toThrow(OomscopeError);
  });
});

test('withChanges replaces the given fields at any depth, and no others', () => {
  const [kill] = eventsOfType(recordings.containerKill, 'oom.kill');
  if (!kill) throw new Error('expected a kill');
  const changed = withChanges(kill, { victim: { comm: 'db', container: null }, limit: null, missing: ['victim.exe'] });
  expect(changed).toEqual({
    ...kill,
    victim: { ...kill.victim, comm: 'db', container: null },
    limit: null,
    missing: ['victim.exe'],
  });
  expect(kill.victim.comm).toBe('web-server');
  expect(schemaErrors(changed)).toEqual([]);
});
