/** Containers of a real containerd, started by `ctr`. Their names come from its state directory, without an API. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Event, OomKill } from '../../src/model/events.ts';
import { ended } from '../cli/cli.ts';
import { Recorder } from '../kernel/recorder.ts';
import { removeGroups, unavailable } from './daemon.ts';

const reason = unavailable('containerd', 'ctr', 'runc', 'busybox');
const NAMESPACE = `oomscope-${process.pid}`;

describe.skipIf(reason !== undefined)(`containerd${reason ? `: ${reason}` : ''}`, () => {
  let home: string;
  let address: string;
  let daemon: ReturnType<typeof spawn>;
  let recorder: Recorder;
  const ctr = (...words: string[]) =>
    ended(
      spawn('ctr', ['--address', address, '--namespace', NAMESPACE, ...words], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'oomscope-containerd-'));
    const state = join(home, 'run/containerd');
    mkdirSync(state, { recursive: true });
    mkdirSync(join(home, 'rootfs/bin'), { recursive: true });
    const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
    copyFileSync(busybox, join(home, 'rootfs/bin/busybox'));
    for (const name of ['sh', 'sleep', 'tail']) symlinkSync('busybox', join(home, 'rootfs/bin', name));
    address = join(state, 'containerd.sock');
    const config = join(home, 'config.toml');
    writeFileSync(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    const words = ['--config', config, '--root', join(home, 'root'), '--state', state, '--address', address];
    daemon = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'containerd', ...words], { stdio: 'ignore' });
    for (let i = 0; (await ctr('version')).code !== 0; i++) {
      if (i > 200) throw new Error('expected containerd to answer');
      await sleep(100);
    }
    recorder = await Recorder.open({ containers: { sockets: [], storage: [], root: home } }, true);
  }, 60_000);

  afterAll(async () => {
    recorder?.[Symbol.dispose]();
    daemon?.kill('SIGTERM');
    if (daemon && daemon.exitCode === null) await once(daemon, 'exit');
    rmSync(home, { recursive: true, force: true });
    removeGroups([NAMESPACE]);
  }, 60_000);

  test.each(['web', 'oom-worker.1'])('names the container %s of an OOM kill', async (id) => {
    const { stderr } = await ctr(
      ...['run', '--rm', '--rootfs', '--memory-limit', String(32 * 2 ** 20), join(home, 'rootfs'), id],
      ...['/bin/tail', '/dev/zero'],
    );
    const isIt = (event: Event): event is OomKill => event.type === 'oom.kill' && event.victim.container?.id === id;
    const kill = await recorder.find(isIt).catch((error: Error) => {
      throw new Error(`${error.message}\nctr: ${stderr}`);
    });
    expect(kill.victim.container).toMatchObject({ runtime: 'containerd', id, name: id });
    expect(kill.limit?.container?.name).toBe(id);
  });
});
