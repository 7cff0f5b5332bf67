/** Lanes: queue, retries, shortest interval, timeout, counts. The sinks are fakes. */
import { Subject } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MemoryQueue } from '../../src/alerts/alert-queue.ts';
import { alertTo, Dispatcher } from '../../src/alerts/dispatch.ts';
import type { LaneOptions, LaneReport } from '../../src/alerts/lane.ts';
import type { Sink } from '../../src/alerts/sinks/sink.ts';
import type { Event } from '../../src/model/events.ts';
import type { Receipt } from '../../src/model/receipt.ts';
import { anAlert, oomKill, pressureLevel, resolved } from './alerts.ts';
import { until } from './receiver.ts';

const delivered: Receipt = { outcome: 'delivered', reply: 'ok' };
const hung: Sink = { name: 'hung', timeoutMs: 60_000, deliver: () => new Promise(() => {}) };

/** A sink that records alerts. It returns the `answers` in order, and after the last one always `delivered`. */
function keeper(answers: (Receipt | Error)[] = [], given: Partial<Sink> = {}) {
  const got: { title: string; atMs: number }[] = [];
  const sink: Sink = {
    name: 'keeper',
    async deliver({ title }) {
      got.push({ title, atMs: performance.now() });
      const answer = answers.shift() ?? delivered;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    ...given,
  };
  return { sink, got, titles: () => got.map(({ title }) => title) };
}

let open: Dispatcher[] = [];
const reports: LaneReport[] = [];
function dispatch(...lanes: LaneOptions[]): Dispatcher {
  const dispatcher = new Dispatcher(lanes, { onReport: (report) => reports.push(report) });
  open.push(dispatcher);
  return dispatcher;
}

afterEach(async () => {
  await Promise.all(open.map((dispatcher) => dispatcher.close(0)));
  open = [];
  reports.length = 0;
});

const fast = { firstRetryMs: 1, mostRetryMs: 4 };
const later: Receipt = { outcome: 'retry', reply: 'busy' };

describe('a lane', () => {
  it('keeps no listener of an alert that was delivered', async () => {
    const listeners = new Map<unknown, number>();
    const add = vi.spyOn(EventTarget.prototype, 'addEventListener');
    const remove = vi.spyOn(EventTarget.prototype, 'removeEventListener');
    try {
      const { sink, titles } = keeper();
      const dispatcher = dispatch({ sink, ...fast });
      for (let i = 1; i <= 20; i++) {
        dispatcher.send(anAlert({ title: String(i) }));
        await until(() => titles().length === i && dispatcher.counts[0]?.counts.waiting === 0);
      }
      for (const target of add.mock.contexts) listeners.set(target, (listeners.get(target) ?? 0) + 1);
      for (const target of remove.mock.contexts) listeners.set(target, (listeners.get(target) ?? 0) - 1);
      expect(Math.max(...listeners.values())).toBeLessThan(5);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('delivers alerts in order, one at a time, also when attempts fail', async () => {
    const refused: Receipt = { outcome: 'refused', reply: 'no' };
    const { sink, titles } = keeper([later, new Error('broken'), delivered, refused]);
    const dispatcher = dispatch({ sink, ...fast });
    for (const title of ['a', 'b', 'c']) dispatcher.send(anAlert({ title }));
    await until(() => dispatcher.counts[0]?.counts.waiting === 0 && titles().length === 5);
    expect(titles()).toEqual(['a', 'a', 'a', 'b', 'c']);
    expect(dispatcher.counts).toEqual([
      { sink: 'keeper', counts: { delivered: 2, retried: 2, failed: 1, dropped: 0, waiting: 0 } },
    ]);
    expect(reports.map(({ state, message }) => [state, message])).toEqual([
      ['down', 'keeper: busy; trying again.'],
      ['up', 'keeper: answers again after 2 attempts.'],
      ['delivered', 'keeper: ok.'],
      ['failed', 'keeper: an alert was refused: no.'],
      ['delivered', 'keeper: ok.'],
    ]);
  });

  it('delivers only after all subscribers have handled the event', async () => {
    const order: string[] = [];
    const events = new Subject<Event>();
    const sink: Sink = {
      name: 'keeper',
      async deliver({ title }) {
        order.push(title);
        return delivered;
      },
    };
    const dispatcher = alertTo(events, [{ sink }]);
    open.push(dispatcher);
    events.subscribe(({ type }) => order.push(type)); // This test subscribes last, because the writer of stdout can be the last subscriber.
    for (const comm of ['a', 'b', 'c']) events.next(oomKill('killed', comm));
    await Promise.resolve();
    expect(order).toEqual(['oom.kill', 'oom.kill', 'oom.kill']);
    await until(() => order.length === 6);
    expect(order.slice(3)).toEqual(['OOM kill: a on n1', 'OOM kill: b on n1', 'OOM kill: c on n1']);
  });

  it('delivers although another sink hangs and a third one throws', async () => {
    const { sink, got } = keeper();
    const broken: Sink = {
      name: 'broken',
      deliver: () => {
        throw new Error('at once');
      },
    };
    const dispatcher = dispatch({ sink: hung }, { sink: broken }, { sink });
    for (let i = 0; i < 500; i++) dispatcher.send(anAlert());
    await until(() => got.length === 500);
    expect(dispatcher.counts.map(({ counts }) => counts.delivered)).toEqual([0, 0, 500]);
  });

  it('limits its queue, drops the oldest alerts and reports it', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const titles: string[] = [];
    const sink: Sink = {
      name: 'slow',
      async deliver({ title }) {
        titles.push(title);
        await gate;
        return delivered;
      },
    };
    const dispatcher = dispatch({ sink, queue: new MemoryQueue(3) });
    dispatcher.send(anAlert({ title: '0' }));
    await until(() => titles.length === 1); // the first alert is being delivered and must not be dropped
    for (let i = 1; i <= 9; i++) dispatcher.send(anAlert({ title: String(i) }));
    release();
    await until(() => dispatcher.counts[0]?.counts.waiting === 0);
    expect(titles).toEqual(['0', '8', '9']);
    expect(dispatcher.counts[0]?.counts).toMatchObject({ delivered: 3, dropped: 7 });
    expect(reports.filter(({ state }) => state === 'dropped')).toHaveLength(1);
  });

  it('never delivers faster than the shortest interval of the sink', async () => {
    const { sink, got } = keeper([], { everyMs: 200 });
    const dispatcher = dispatch({ sink });
    for (let i = 0; i < 4; i++) dispatcher.send(anAlert());
    await until(() => got.length === 4);
    // The lane takes its time a moment before the sink, and on a busy machine the moment may be long.
    for (let i = 1; i < 4; i++) expect((got[i]?.atMs ?? 0) - (got[i - 1]?.atMs ?? 0)).toBeGreaterThan(120);
  });

  it('waits before a retry as long as the receiver requests', async () => {
    const { sink, got } = keeper([{ ...later, retryAfterMs: 150 }]);
    dispatch({ sink, ...fast }).send(anAlert());
    await until(() => got.length === 2);
    expect((got[1]?.atMs ?? 0) - (got[0]?.atMs ?? 0)).toBeGreaterThan(147);
  });

  it('goes on to the next attempt when a sink does not settle at the timeout', async () => {
    let calls = 0;
    const sink: Sink = {
      name: 'deaf',
      timeoutMs: 20,
      deliver: () => (calls++ === 0 ? new Promise(() => {}) : Promise.resolve(delivered)),
    };
    const dispatcher = dispatch({ sink, ...fast });
    dispatcher.send(anAlert());
    await until(() => dispatcher.counts[0]?.counts.delivered === 1);
    expect(reports[0]?.message).toBe('deaf: no answer within 0.02 s; trying again.');
  });

  it('reports the alerts that it could not deliver before close()', async () => {
    const { sink } = keeper(Array.from({ length: 10_000 }, () => later));
    const dispatcher = dispatch({ sink, ...fast });
    for (let i = 0; i < 3; i++) dispatcher.send(anAlert());
    await dispatcher.close(30);
    expect(dispatcher.counts[0]?.counts).toMatchObject({ delivered: 0, failed: 3, waiting: 0 });
    expect(reports.at(-1)?.message).toBe('keeper: 3 alerts not delivered before the end.');
  });

  it('delivers waiting alerts on close() without waiting for the end of a pause', async () => {
    const { sink, titles } = keeper([{ ...later, retryAfterMs: 600_000 }]);
    const dispatcher = dispatch({ sink, ...fast });
    dispatcher.send(anAlert({ title: 'a' }));
    await until(() => titles().length === 1);
    await dispatcher.close();
    expect(dispatcher.counts[0]?.counts).toMatchObject({ delivered: 1, failed: 0 });
  });
});

describe('an episode', () => {
  const sentFor = async (events: Event[], minimum?: LaneOptions['minimum']) => {
    const { sink, titles } = keeper();
    const dispatcher = dispatch({ sink, ...(minimum && { minimum }) });
    for (const event of events) dispatcher.take(event);
    await dispatcher.close();
    return titles();
  };
  const episodeEvents = [
    pressureLevel('low', 'normal'),
    pressureLevel('medium', 'low'),
    pressureLevel('medium', 'low'),
    pressureLevel('low', 'medium'),
    pressureLevel('critical', 'low'),
    pressureLevel('medium', 'critical'),
    pressureLevel('normal', 'medium', { peak: 'critical' }),
    pressureLevel('normal', 'medium', { peak: 'critical' }),
  ];

  it('causes an alert when it begins, when it gets worse, and when it ends', async () => {
    const title = 'Memory pressure';
    expect(await sentFor(episodeEvents)).toEqual([
      `${title} low: /shop`,
      `${title} medium: /shop`,
      `${title} critical: /shop`,
      `${title} back to normal: /shop`,
    ]);
  });

  it('causes no alert below the minimum severity, and no end if no alert was sent', async () => {
    expect(await sentFor(episodeEvents, 'critical')).toEqual([
      'Memory pressure critical: /shop',
      'Memory pressure back to normal: /shop',
    ]);
    expect(await sentFor([pressureLevel('low', 'normal'), pressureLevel('normal', 'low')], 'warning')).toEqual([]);
  });

  it('does not affect the alerts of another episode', async () => {
    const kills = [oomKill('killed', 'a'), oomKill('killed', 'a'), oomKill('group_member', 'b')];
    expect(await sentFor(kills)).toHaveLength(3);
    const [one, two] = ['one', 'two'].map((episode) => pressureLevel('low', 'normal', { episode }));
    expect(await sentFor([one, two] as Event[])).toHaveLength(2);
  });

  it('keeps its start time and severity label until the end', async () => {
    const alerts: unknown[] = [];
    const sink: Sink = {
      name: 'keeper',
      async deliver({ starts_at, labels }) {
        alerts.push([starts_at, labels.severity]);
        return delivered;
      },
    };
    const dispatcher = dispatch({ sink });
    const first = anAlert({ key: 'k', severity: 'critical', starts_at: '2026-01-01T00:00:00Z' });
    dispatcher.send(first);
    dispatcher.send(resolved(anAlert({ key: 'k', severity: 'info', starts_at: '2026-01-01T00:00:09Z' })));
    await dispatcher.close();
    expect(alerts).toEqual([
      ['2026-01-01T00:00:00Z', 'warning'],
      ['2026-01-01T00:00:00Z', 'critical'],
    ]);
  });
});
