/** A short run of test/lab/reuse.ts on this machine. `npm run prove:reuse` is the long one. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { kernelVersion } from '../../src/linux/capabilities.ts';
import type { Reuse } from '../lab/reuse.ts';
import { nodeFlags } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

const [major, minor] = kernelVersion();
const sharedPids = major < 6 || (major === 6 && minor < 14);

describe.skipIf(bpfUnavailable() ?? sharedPids)('an early kill while pids are reused', () => {
  test('signals no process that was not chosen', async () => {
    const script = join(import.meta.dirname, '..', 'lab', 'reuse.ts');
    const command = ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath, ...nodeFlags, script];
    const { stdout } = await promisify(execFile)('unshare', [...command, '10000', '60'], { timeout: 50_000 });
    const reuse = JSON.parse(stdout) as Reuse;
    expect(reuse).toMatchObject({ processes: 10_000, wrong: [] });
    expect(reuse.killed).toBeGreaterThan(10);
    expect(reuse.reused).toBeGreaterThan(10); // otherwise the test shows nothing
  });
});
