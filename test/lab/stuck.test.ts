/** A cgroup at its limit in which the kernel may kill no process. Only in a guest: the kernel logs a long report at each attempt. */
import { describe, expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { OomStuck } from '../../src/model/events.ts';
import { schemaErrors } from '../schema.ts';
import { NODE } from './runs.ts';

describe('a cgroup in which no process can be killed', () => {
  test.concurrent.each(['5.10', '6.12'])(
    'is reported once, with what holds it up: Linux %s',
    async (kernel) => {
      const command = [...NODE, 'test/lab/stuck.ts'];
      const result = await bootGuest({ kernel, cgroup: 'v2', memoryMib: 768, limitSeconds: 240, command });
      if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${result.stdout}\n${lastLines(result)}`);
      const { stuck, hog, cgroup, kills } = JSON.parse(result.stdout) as {
        stuck: OomStuck;
        hog: number;
        cgroup: string;
        kills: number;
      };
      expect(stuck).toMatchObject({
        ...{ state: 'stuck', cause: 'nothing_killable', severity: 'critical' },
        cgroup: { path: cgroup, limit_bytes: 24 * 2 ** 20 },
        processes: [{ pid: hog, oom_score_adj: -1000 }],
      });
      expect(stuck.ooms).toBeGreaterThan(1);
      expect(kills).toBe(0);
      expect(schemaErrors(stuck)).toEqual([]);
    },
    300_000,
  );
});
