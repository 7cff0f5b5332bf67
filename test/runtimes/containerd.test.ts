/** Containers of a real containerd, started by `ctr`. Their names come from its state directory, without an API. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Event, OomKill } from '../../src/model/events.ts';
import { ended } from '../cli/cli.ts';
import { Recorder } from '../kernel/recorder.ts';
import { type Containerd, startContainerd, unavailable } from './daemon.ts';

const reason = unavailable('containerd', 'ctr', 'runc', 'busybox');
const NAMESPACE = `oomscope-${process.pid}`;

describe.skipIf(reason !== undefined)(`containerd${reason ? `: ${reason}` : ''}`, () => {
  let daemon: Containerd;
  let rootfs: string;
  let recorder: Recorder;

  beforeAll(async () => {
    daemon = await startContainerd(NAMESPACE);
    rootfs = join(daemon.home, 'rootfs');
    mkdirSync(join(rootfs, 'bin'), { recursive: true });
    const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
    copyFileSync(busybox, join(rootfs, 'bin/busybox'));
    for (const name of ['sh', 'sleep', 'tail']) symlinkSync('busybox', join(rootfs, 'bin', name));
    recorder = await Recorder.open({ containers: { sockets: [], storage: [], root: daemon.home } }, true);
  }, 60_000);

  afterAll(async () => {
    recorder?.[Symbol.dispose]();
    await daemon?.close();
  }, 60_000);

  test.each(['web', 'oom-worker.1'])('names the container %s of an OOM kill', async (id) => {
    const words = ['run', '--rm', '--rootfs', '--memory-limit', String(32 * 2 ** 20), rootfs, id];
    // A cgroup without an id in its path has a name when the resolver has read the task's files, which a busy machine delays.
    const program = ['/bin/sh', '-c', '/bin/sleep 1; exec /bin/tail /dev/zero'];
    const { stderr } = await ended(daemon.ctr([...words, ...program]));
    const isIt = (event: Event): event is OomKill => event.type === 'oom.kill' && event.victim.container?.id === id;
    const kill = await recorder.find(isIt).catch((error: Error) => {
      throw new Error(`${error.message}\nctr: ${stderr}`);
    });
    expect(kill.victim.container).toMatchObject({ runtime: 'containerd', id, name: id });
    expect(kill.limit?.container?.name).toBe(id);
  });
});
