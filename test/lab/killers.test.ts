/** Who killed a process, on the oldest kernel, where the tracepoints have other arguments and there is no cgroup.kill. */
import { beforeAll, describe, expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';

interface Said {
  name: string;
  not?: string;
  wanted?: string[];
  got?: string[];
}

const options = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
const command = ['node', ...options, 'test/lab/killers-in-guest.ts'];
const played = ['kill', 'SIGTERM of which it dies', 'by itself', 'the second of two equal signals'];
const byKernel = ['end of a pid namespace', 'exit of its parent', 'the OOM killer', 'memory.oom.group'];

describe('Linux 5.10 names the author of', () => {
  let said: Said[];
  beforeAll(async () => {
    const result = await bootGuest({ kernel: '5.10', cgroup: 'v2', memoryMib: 768, limitSeconds: 300, command });
    if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${result.stdout}\n${lastLines(result)}`);
    said = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }, 400_000);

  test.each([...played, ...byKernel])('%s', (scene) => {
    const one = said.find(({ name }) => name === scene);
    expect(one?.not).toBeUndefined();
    expect(one?.wanted?.length).toBeGreaterThan(0);
    expect(one?.got).toEqual(one?.wanted);
  });
});
