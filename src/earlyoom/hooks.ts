/** The programs of -n, -N and -P. They inherit stdout and stderr, and earlyoom's environment. */
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { printable } from '../text/printable.ts';
import { codeOf, errorText } from './errors.ts';
import type { EarlyoomLog } from './log.ts';
import type { Earlyoom } from './options.ts';
import type { Candidate } from './victim.ts';

/** How long a kill waits for -P (ms). */
const BEFORE_MS = 200;
/** With --dryrun, the same victim is chosen again and again: at most one notification in this time (ms). */
const DRY_RUN_MS = 1000;
const DBUS_SEND = '/usr/bin/dbus-send';
const INTERFACE = 'net.nuetzlich.SystemNotifications.Notify';

/** The options as they are used: a program that is not named by its absolute path is never run. */
export function checkHooks(asked: Earlyoom, log: EarlyoomLog): Earlyoom {
  const usable = (option: 'N' | 'P', noun: string, path: string | undefined): string | undefined => {
    if (path === undefined) return undefined;
    const about = `startup_selftests: -${option}: ${noun} '${printable(path)}'`;
    if (!path.startsWith('/')) {
      log.warn(`${about} is not an absolute path, disabling -${option}\n`);
      return undefined;
    }
    try {
      accessSync(path, constants.X_OK);
    } catch (error) {
      log.warn(`${about} is not executable: ${errorText(codeOf(error))}\n`);
    }
    return path;
  };
  return {
    ...asked,
    after: usable('N', 'notify script', asked.after),
    before: usable('P', 'pre-hook program', asked.before),
  };
}

export class Hooks {
  readonly #asked: Earlyoom;
  readonly #log: EarlyoomLog;
  #notifiedAt = Number.NEGATIVE_INFINITY;

  constructor(asked: Earlyoom, log: EarlyoomLog) {
    this.#asked = asked;
    this.#log = log;
  }

  /** Runs -P, and waits for at most 200 ms. The program may go on afterwards. */
  async before(victim: Candidate): Promise<void> {
    const { before } = this.#asked;
    if (before === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#log.warn(`notify_spawn_subprocess: timeout waiting for process ${printable(before)}\n`);
      resolve();
    }, BEFORE_MS);
    this.#run(before, [], victim)?.once('close', resolve).once('error', resolve);
    await promise;
    clearTimeout(timer);
  }

  /** Runs -n and -N, without waiting for them. */
  after(victim: Candidate): void {
    const { dryRun, after, desktop } = this.#asked;
    if (dryRun && performance.now() - this.#notifiedAt < DRY_RUN_MS) {
      this.#log.debug('notify_process_killed: rate limit hit, skipping notifications this time\n');
      return;
    }
    this.#notifiedAt = performance.now();
    if (desktop) this.notify(`Low memory! Killing process ${victim.pid} ${victim.name}`);
    if (after !== undefined) this.#run(after, [], victim);
  }

  /** Notifies the desktop if -n is given: a signal on the system bus, which systembus-notify shows. */
  notify(body: string): void {
    if (!this.#asked.desktop) return;
    this.#run(DBUS_SEND, ['--system', '/', INTERFACE, 'string:earlyoom', `string:${printable(body)}`], undefined);
  }

  #run(path: string, args: string[], victim: Candidate | undefined): ChildProcess | undefined {
    const { spawn } = process.getBuiltinModule('node:child_process');
    const failed = (error: unknown) => {
      const by = victim ? `notify_ext: exec ${printable(path)}` : 'notify_dbus: exec';
      this.#log.warn(`${by} failed: ${errorText(codeOf(error))}\n`);
    };
    const env = victim ? { ...process.env, ...environmentOf(victim) } : process.env;
    try {
      return spawn(path, args, { env, stdio: 'inherit' }).on('error', failed);
    } catch (error) {
      failed(error);
      return undefined;
    }
  }
}

/** Any user chooses the name and the command line of a process: they reach the program as they are. */
function environmentOf({ pid, uid, name, cmdline }: Candidate): Record<string, string> {
  return {
    EARLYOOM_PID: String(pid),
    EARLYOOM_UID: String(uid),
    EARLYOOM_NAME: name,
    EARLYOOM_CMDLINE: cmdline,
  };
}
