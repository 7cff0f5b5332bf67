/**
 * Cgroups at their limit in which the kernel frees no memory. Only in a guest: the kernel logs a long report at each
 * attempt.
 */
import { describe, expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { OomStuck } from '../../src/model/events.ts';
import { schemaErrors } from '../schema.ts';
import { NODE } from './runs.ts';

interface Said {
  stuck: OomStuck;
  cgroup: string;
  /** The processes in the cgroup. */
  processes: number[];
  /** The pids of the kernel's victims. */
  kills: number[];
  /** The state of the victim, and what ended it when its file system went on. */
  state?: string;
  signal?: string;
}

describe('a cgroup that is out of memory', () => {
  test.concurrent.each(['5.10', '6.12'])(
    'is reported once, with what holds it up: no process may be killed, or the victim waits for a disk: Linux %s',
    async (kernel) => {
      const command = [...NODE, 'test/lab/stuck.ts'];
      const result = await bootGuest({ kernel, cgroup: 'v2', memoryMib: 768, limitSeconds: 240, command });
      if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${result.stdout}\n${lastLines(result)}`);
      const said = result.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Said);
      expect(said).toHaveLength(2);
      const [unkillable, waiting] = said as [Said, Said];
      for (const { stuck, cgroup } of said) {
        expect(schemaErrors(stuck)).toEqual([]);
        expect(stuck).toMatchObject({
          ...{ state: 'stuck', severity: 'critical' },
          cgroup: { path: cgroup, limit_bytes: 24 * 2 ** 20 },
        });
        expect(stuck.ooms).toBeGreaterThan(1);
      }
      const dying = ({ stuck }: Said) =>
        stuck.processes.map((process) => [process.pid, process.oom_score_adj, process.dying]);
      const [hog] = unkillable.processes;
      expect(unkillable).toMatchObject({ stuck: { cause: 'nothing_killable' }, kills: [] });
      expect(dying(unkillable)).toEqual([[hog, -1000, false]]);

      const [victim, other] = waiting.processes;
      expect(waiting).toMatchObject({
        stuck: { cause: 'victim_not_exiting', process_count: 2 },
        ...{ kills: [victim], state: 'D', signal: 'SIGKILL' },
      });
      expect(dying(waiting)).toHaveLength(2);
      expect(dying(waiting)).toEqual(
        expect.arrayContaining([
          [victim, 0, true],
          [other, -1000, false],
        ]),
      );
      expect(waiting.stuck.message).toContain('the process that the kernel killed does not exit: hog');
    },
    300_000,
  );
});
