/**
 * A notification on the desktop, by notify-send of libnotify. It reaches the session of the user that runs oomscope; a
 * process of root notifies the sessions of all users, each as that user.
 */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Receipt } from '../../model/receipt.ts';
import type { Severity } from '../../model/severity.ts';
import { findProgram, runProgram } from '../../process/program.ts';
import { printable } from '../../text/printable.ts';
import { inherited } from './exec.ts';
import type { Sink } from './sink.ts';

const urgency: Record<Severity, string> = { info: 'low', warning: 'normal', critical: 'critical' };
const MOST_SESSIONS = 16;

export interface DesktopOptions {
  timeoutMs?: number;
  /** Where each user's session has its bus: DIRECTORY/UID/bus. */
  runtimeDirectory?: string;
}

/** @throws OomscopeError USAGE: notify-send is not installed */
export function desktop({ timeoutMs = 10_000, runtimeDirectory = '/run/user' }: DesktopOptions = {}): Sink {
  const path = findProgram('notify-send', 'desktop');
  return {
    name: 'desktop',
    everyMs: 1_000,
    timeoutMs,
    async deliver({ status, severity, title, message }, signal) {
      const level = status === 'resolved' ? 'low' : urgency[severity];
      const args = ['--app-name=oomscope', `--urgency=${level}`, '--', printable(title), withoutMarkup(message)];
      const receipts = await Promise.all(
        sessions(runtimeDirectory).map((session) => runProgram({ path, args, input: '', signal, ...session })),
      );
      const delivered = receipts.find(({ outcome }) => outcome === 'delivered');
      return delivered ?? (receipts[0] as Receipt);
    },
  };
}

interface Session {
  env: Record<string, string>;
  user?: { uid: number; gid: number };
}

/** The sessions to notify. A session's bus accepts only programs of its own user. */
function sessions(directory: string): Session[] {
  const own = [{ env: inherited() }];
  if (process.geteuid?.() !== 0) return own;
  const found = uidsIn(directory).flatMap((uid) => {
    const runtime = join(directory, String(uid));
    const bus = statOf(join(runtime, 'bus'));
    if (!bus?.isSocket() || bus.uid !== uid) return [];
    const { DISPLAY, ...env } = inherited();
    const ofSession = { DBUS_SESSION_BUS_ADDRESS: `unix:path=${runtime}/bus`, XDG_RUNTIME_DIR: runtime };
    return [{ env: { ...env, ...ofSession }, user: { uid, gid: bus.gid } }];
  });
  return found.length > 0 ? found.slice(0, MOST_SESSIONS) : own;
}

/** undefined: it does not exist, or this process may not see it, for which it needs CAP_DAC_READ_SEARCH. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function uidsIn(directory: string): number[] {
  try {
    return readdirSync(directory).map(Number).filter(Number.isInteger);
  } catch {
    return []; // no user is logged in, or there is no systemd
  }
}

/** Notification servers interpret markup in the body. */
const withoutMarkup = (text: string) =>
  printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
