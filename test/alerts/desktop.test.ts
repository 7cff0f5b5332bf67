/** The sink for the desktop as root, with a real session bus of another user; only notify-send is a fake. */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { desktop } from '../../src/alerts/sinks/desktop.ts';
import type { Alert } from '../../src/model/alert.ts';
import { until } from './receiver.ts';

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
  it('notifies the session of a user, as that user', async () => {
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

    const path = process.env.PATH;
    process.env.PATH = `${root}:${path}`;
    undo.push(() => {
      process.env.PATH = path;
    });
    const alert = { status: 'firing', severity: 'warning', title: 'Low memory', message: 'a <b>' } as unknown as Alert;
    const receipt = await desktop({ runtimeDirectory: root }).deliver(alert, AbortSignal.timeout(10_000));
    expect(receipt.outcome).toBe('delivered');
    expect(readFileSync(join(runtime, 'told'), 'utf8').trim().split('\n')).toEqual([
      String(NOBODY),
      `unix:path=${runtime}/bus`,
      ...['--app-name=oomscope', '--urgency=normal', '--', 'Low memory', 'a &lt;b&gt;'],
      '1', // the bus has answered
    ]);
  });
});
