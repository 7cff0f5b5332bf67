/** What the daemon tells the service manager that started it, from the start to the end. */
import type { Config } from '../../../config/config.ts';
import { notifySystemd, watchdogMs } from '../../../daemon/sd-notify.ts';
import { tidyNowAndThen } from '../../verb/start-up.ts';
import { tell } from '../../verb/tell.ts';
import { zoneNote } from '../../verb/zone-note.ts';

/** How much more time a start asks for (ms): as much as TimeoutStartSec= of the unit. It asks ten times in this time. */
const START_EXTENDED_MS = 300_000;
/** An hour of them: a start that hangs must end. */
const MOST_EXTENSIONS = 120;

/** Tells systemd that the daemon is ready, and then that it is alive, until `end` resolves. */
export async function serve(sentence: string, config: Config, end: () => Promise<void>): Promise<void> {
  const endTidying = tidyNowAndThen();
  notify('READY=1', statusOf(config));
  tell(`${sentence}${zoneNote()} Press Ctrl-C to stop.`);
  const watchdog = watchdogMs();
  const alive = watchdog === undefined ? undefined : setInterval(() => notify('WATCHDOG=1'), watchdog);
  await end();
  clearInterval(alive);
  endTidying();
}

/**
 * Asks systemd for more time while the event loop runs, until it is disposed of, for an hour at most: while memory or the CPUs are
 * short, a start can take longer than any fixed time, and the guard works already.
 */
export function extendStart(): Disposable {
  const extend = () => notify(`EXTEND_TIMEOUT_USEC=${START_EXTENDED_MS * 1000}`);
  extend();
  let left = MOST_EXTENSIONS;
  const timer = setInterval(() => left-- > 0 && extend(), START_EXTENDED_MS / 10);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Sends lines of sd_notify(3). A failure is told and changes nothing else. */
export function notify(...lines: string[]): void {
  try {
    notifySystemd(lines.join('\n'));
  } catch (error) {
    tell((error as Error).message);
  }
}

export function statusOf({ guard }: Config): string {
  const rules = guard?.policy.rules.length ?? 0;
  return `STATUS=${guard ? `guarding by ${rules} rule${rules === 1 ? '' : 's'}, ${guard.mode}` : 'watching'}`;
}
