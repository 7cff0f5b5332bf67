/** The sink for the desktop as root, with a real session bus of another user; only notify-send is a fake. */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { desktop } from '../../src/alerts/sinks/desktop.ts';
import { type Feature, rightsFor } from '../../src/linux/rights.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Receipt } from '../../src/model/receipt.ts';
import { until } from './receiver.ts';

const SINK = resolve(import.meta.dirname, '../../src/alerts/sinks/desktop.ts');
const ALERT = { status: 'firing', severity: 'warning', title: 'Low memory', message: 'a <b>' } as unknown as Alert;
const NOBODY = 65534;
const DAEMON = '/usr/bin/dbus-daemon';
const undo: (() => void)[] = [];
afterEach(() => {
  for (const act of undo.splice(0).reverse()) act();
});

/** Asks the session's bus for its id, which it tells only its own user. */
const FAKE = `#!/bin/sh
{ id -u; echo "$DBUS_SESSION_BUS_ADDRESS"; printf '%s\\n' "$@"
dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId | grep -c string; } >"$XDG_RUNTIME_DIR/told"`;

describe.skipIf(process.geteuid?.() !== 0 || !existsSync(DAEMON))('as root', () => {
  /** A session of `nobody` below the returned directory, and a fake notify-send there. */
  async function session(): Promise<{ root: string; told: () => string[] }> {
    const root = mkdtempSync(join(tmpdir(), 'oomscope-'));
    undo.push(() => rmSync(root, { recursive: true }));
    chmodSync(root, 0o755);
    const runtime = join(root, String(NOBODY));
    mkdirSync(runtime, { mode: 0o700 });
    chownSync(runtime, NOBODY, NOBODY);
    mkdirSync(join(root, '1234567')); // a user without a session
    writeFileSync(join(root, 'notify-send'), FAKE, { mode: 0o755 });
    const bus = spawn(DAEMON, ['--session', '--nofork', `--address=unix:path=${runtime}/bus`], {
      ...{ uid: NOBODY, gid: NOBODY, stdio: 'ignore' },
    });
    undo.push(() => bus.kill('SIGKILL'));
    await until(() => existsSync(join(runtime, 'bus')));
    const told = () => readFileSync(join(runtime, 'told'), 'utf8').trim().split('\n');
    return { root, told };
  }

  const expected = (root: string) => [
    String(NOBODY),
    `unix:path=${root}/${NOBODY}/bus`,
    ...['--app-name=oomscope', '--urgency=normal', '--', 'Low memory', 'a &lt;b&gt;'],
    '1', // the bus has answered
  ];

  it('notifies the session of a user, as that user', async () => {
    const { root, told } = await session();
    const path = process.env.PATH;
    process.env.PATH = `${root}:${path}`;
    undo.push(() => {
      process.env.PATH = path;
    });
    const receipt = await desktop({ runtimeDirectory: root }).deliver(ALERT, AbortSignal.timeout(10_000));
    expect(receipt.outcome).toBe('delivered');
    expect(told()).toEqual(expected(root));
  });

  describe.skipIf(!existsSync('/usr/bin/setpriv'))('with the capabilities of the systemd unit', () => {
    const all = rightsFor(new Set<Feature>(['watching', 'notifying'])).map(({ capability }) => capability);

    /** Delivers in a process with these capabilities, which SecureBits=noroot keeps from programs of root. */
    async function deliver(root: string, capabilities: readonly string[]): Promise<Receipt | undefined> {
      const script = `import { desktop } from ${JSON.stringify(SINK)};
        const receipt = await desktop({ runtimeDirectory: ${JSON.stringify(root)} })
          .deliver(${JSON.stringify(ALERT)}, AbortSignal.timeout(10_000));
        console.log(JSON.stringify(receipt));`;
      const names = capabilities.map((name) => `+${name.slice('CAP_'.length).toLowerCase()}`).join(',');
      const only = `-all,${names}`;
      const words = ['--securebits=+noroot', `--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`];
      const child = spawn('setpriv', [...words, process.execPath, '--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, PATH: `${root}:${process.env.PATH}` },
      });
      const output = await text(child.stdout);
      return output === '' ? undefined : JSON.parse(output);
    }

    it('notifies the session of a user', async () => {
      const { root, told } = await session();
      expect(await deliver(root, all)).toMatchObject({ outcome: 'delivered' });
      expect(told()).toEqual(expected(root));
    });

    it.each(all.filter((name) => /SETUID|SETGID|READ_SEARCH/.test(name)))('needs %s', async (name) => {
      const { root } = await session();
      const without = all.filter((each) => each !== name);
      expect((await deliver(root, without))?.outcome).not.toBe('delivered');
    });
  });
});
