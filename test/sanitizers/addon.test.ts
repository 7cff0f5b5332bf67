/** Runs the tests of the addon with an addon that was built with AddressSanitizer and UndefinedBehaviorSanitizer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bpfUnavailable } from '../kernel/unavailable.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILES = ['addon', 'addon-arguments', 'loaded-in', 'arming', 'kill-place'].map(
  (name) => `test/kernel/${name}.test.ts`,
);
/** The sanitizers make the addon and its start about three times as slow. */
const TIMEOUT_MS = 600_000;

describe.skipIf(bpfUnavailable())('with sanitizers', () => {
  test(
    'the tests of the addon pass, and no memory error or undefined behaviour is reported',
    async () => {
      const args = ['scripts/sanitize.sh', 'vitest', 'run', '--retry=1', `--testTimeout=${TIMEOUT_MS / 2}`, ...FILES];
      const child = spawn('sh', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
      const output: string[] = [];
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
      }
      const [code] = await once(child, 'close');
      expect(code, output.join('')).toBe(0);
    },
    TIMEOUT_MS,
  );
});
