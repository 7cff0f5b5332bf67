/**
 * A notification on the desktop, by notify-send of libnotify. It reaches the session of the user that runs oomscope.
 */
import type { Severity } from '../../model/severity.ts';
import { findProgram, runProgram } from '../../process/program.ts';
import { printable } from '../../text/printable.ts';
import { inherited } from './exec.ts';
import type { Sink } from './sink.ts';

const urgency: Record<Severity, string> = { info: 'low', warning: 'normal', critical: 'critical' };

export interface DesktopOptions {
  timeoutMs?: number;
}

/** @throws OomscopeError USAGE: notify-send is not installed */
export function desktop({ timeoutMs = 10_000 }: DesktopOptions = {}): Sink {
  const path = findProgram('notify-send', 'desktop');
  return {
    name: 'desktop',
    everyMs: 1_000,
    timeoutMs,
    deliver({ status, severity, title, message }, signal) {
      const level = status === 'resolved' ? 'low' : urgency[severity];
      const args = ['--app-name=oomscope', `--urgency=${level}`, '--', printable(title), withoutMarkup(message)];
      return runProgram({ path, args, env: inherited(), input: '', signal });
    },
  };
}

/** Notification servers interpret markup in the body. */
const withoutMarkup = (text: string) =>
  printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
