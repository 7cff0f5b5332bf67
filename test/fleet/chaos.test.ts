import { expect, test } from 'vitest';
import { natsUnavailable } from '../publish/real-nats.ts';
import { chaos } from './chaos/chaos.ts';

test.skipIf(natsUnavailable())(
  'while server, network, publishers and reader break, the reader gets each event once and in order',
  async () => {
    const broken = { serverKills: 1, cuts: 1, publisherKills: 2, readerKills: 2 };
    const result = await chaos({
      ...{ publishers: 4, events: 1500, perSecond: 250, waitMs: 4_000, limitMs: 90_000 },
      ...broken,
    });
    expect(result).toMatchObject({ broken, generated: 6000, repeated: 0, disordered: 0, missing: [] });
    expect(result.received).toBe(result.generated - result.lostWithPublisher);
  },
);

test.skipIf(natsUnavailable())(
  'a cluster of three servers whose leader is killed with SIGKILL loses, doubles and reorders nothing',
  async () => {
    const broken = { serverKills: 1, cuts: 1, publisherKills: 0, readerKills: 0 };
    const result = await chaos({
      ...{ publishers: 2, events: 1200, perSecond: 200, servers: 3, waitMs: 4_000, limitMs: 90_000 },
      ...broken,
    });
    expect(result).toMatchObject({ broken, generated: 2400, repeated: 0, disordered: 0, missing: [] });
    expect(result.received).toBe(result.generated - result.lostWithPublisher);
  },
);
