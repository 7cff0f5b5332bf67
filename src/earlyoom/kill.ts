/**
 * Kills a process as earlyoom 1.8.2 does: one signal, then up to ten seconds until the process has exited. SIGTERM
 * becomes SIGKILL when memory falls to the lower thresholds, never because of time.
 *
 * Signals go through a pidfd that was opened for this start time of the process, so they cannot reach another process
 * that reuses the pid.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { processFiles } from '../linux/process-reader.ts';
import { ProcessHandle } from '../process/process-handle.ts';
import { fixed } from '../text/c-number.ts';
import { printable } from '../text/printable.ts';
import { codeOf, errorText } from './errors.ts';
import type { Hooks } from './hooks.ts';
import type { EarlyoomLog } from './log.ts';
import { readMemory, statusLine } from './memory.ts';
import type { Earlyoom } from './options.ts';
import type { Candidate } from './victim.ts';

export type Signal = 'SIGTERM' | 'SIGKILL';

/** Interval at which the victim and memory are looked at (ms), and how often. */
const LOOK_MS = 100;
const MOST_LOOKS = 100;
/** Pause when there is nothing to kill, or no permission to (ms). */
const PAUSE_MS = 1000;

/** @param shortFor the signal that the thresholds ask for now */
export type ShortFor = () => Signal | undefined;

export class Killer {
  readonly #asked: Earlyoom;
  readonly #log: EarlyoomLog;
  readonly #hooks: Hooks;
  readonly #shortFor: ShortFor;

  constructor(asked: Earlyoom, log: EarlyoomLog, hooks: Hooks, shortFor: ShortFor) {
    this.#asked = asked;
    this.#log = log;
    this.#hooks = hooks;
    this.#shortFor = shortFor;
  }

  /** The line about a victim. @param what the signal, or what is sent instead */
  #announce(victim: Candidate, what: string): void {
    const { pid, uid, name, oomScore, rssKib, cmdline } = victim;
    const memory = `oom_score ${oomScore}, VmRSS ${Math.trunc(rssKib / 1024)} MiB`;
    const who = `process ${pid} uid ${uid} "${printable(name)}"`;
    this.#log.warn(`sending ${what} to ${who}: ${memory}, cmdline "${printable(cmdline)}"\n`);
  }

  /** What earlyoom writes at its start, when it sends signal 0 to the process that it would kill. */
  rehearse(victim: Candidate | undefined): void {
    if (!victim) this.#nobody();
    else if (this.#log.debugging) this.#announce(victim, '0 (no-op signal)');
    if (victim && this.#asked.group) this.#groupOf(victim);
  }

  async kill(signal: Signal, victim: Candidate | undefined): Promise<void> {
    if (!victim) {
      this.#nobody();
      await sleep(PAUSE_MS);
      return;
    }
    this.#announce(victim, signal);
    await this.#hooks.before(victim);
    const problem = await this.#killAndWait(signal, victim);
    // After the kill: then there is memory to start a program.
    this.#hooks.after(victim);
    if (problem === undefined) return;
    this.#log.warn(`kill failed: ${errorText(problem)}\n`);
    this.#hooks.notify('Error: Failed to kill process');
    if (problem !== 'EPERM') return;
    this.#log.warn('sleeping 1 second\n');
    await sleep(PAUSE_MS);
  }

  /** @returns the name of the error; undefined: the process has exited, or with --dryrun was left alone */
  async #killAndWait(signal: Signal, victim: Candidate): Promise<string | undefined> {
    if (this.#asked.dryRun) {
      this.#log.warn('dryrun, not actually sending any signal\n');
      return undefined;
    }
    let handle: ProcessHandle;
    try {
      handle = ProcessHandle.open(victim);
    } catch (error) {
      const gone = (error as { code?: string }).code === 'PROCESS_GONE';
      const code = gone ? 'ESRCH' : (codeOf(error) ?? 'ESRCH');
      this.#log.warn(`kill_wait pid ${victim.pid}: error opening pidfd: ${errorText(code)}\n`);
      return code;
    }
    try {
      const group = this.#asked.group ? this.#groupOf(victim) : undefined;
      const problem = await this.#send(signal, handle, group);
      return problem ?? (await this.#wait(signal, handle, group));
    } finally {
      handle.close();
    }
  }

  #nobody(): void {
    const text = 'Could not find a process to kill. Sleeping 1 second.';
    this.#log.warn(`${text}\n`);
    this.#hooks.notify(`Error: ${text}`);
  }

  /** The process group that -g kills; undefined: this process is in it itself, and only the victim is killed. */
  #groupOf({ pgid }: Candidate): number | undefined {
    if (pgid <= 1 || pgid === processFiles.stat('/proc/self')?.pgid) {
      this.#log.warn(`process group ${pgid} is that of oomscope itself: killing only the process\n`);
      return undefined;
    }
    this.#log.warn(`killing whole process group ${pgid} (-g flag is active)\n`);
    return pgid;
  }

  async #send(signal: Signal, handle: ProcessHandle, group: number | undefined): Promise<string | undefined> {
    try {
      if (group !== undefined) {
        if (!handle.stillSame()) return 'ESRCH';
        process.kill(-group, signal);
        return undefined;
      }
      if (!handle.signal(signal)) return 'ESRCH';
    } catch (error) {
      return codeOf(error);
    }
    await this.#release(handle);
    return undefined;
  }

  async #release(handle: ProcessHandle): Promise<void> {
    const about = `kill_release: pid=${handle.pid}: process_mrelease pidfd=${handle.fd}`;
    const texts = { gone: 'ESRCH', busy: 'EAGAIN', 'not dying': 'EINVAL', unsupported: 'ENOSYS' } as const;
    try {
      const outcome = await handle.release();
      if (outcome === 'released') this.#log.info(`${about} success\n`);
      else this.#log.warn(`${about} failed: ${errorText(texts[outcome])}\n`);
    } catch (error) {
      this.#log.warn(`${about} failed: ${errorText(codeOf(error))}\n`);
    }
  }

  async #wait(first: Signal, handle: ProcessHandle, group: number | undefined): Promise<string | undefined> {
    let signal = first;
    const began = performance.now();
    for (let looks = 0; looks < MOST_LOOKS; looks++) {
      const seconds = fixed((performance.now() - began) / 1000, 3);
      if (this.#log.debugging) this.#log.debug(statusLine(readMemory(this.#log)));
      if (signal === 'SIGTERM' && this.#shortFor() === 'SIGKILL') {
        signal = 'SIGKILL';
        this.#log.warn(`escalating to SIGKILL after ${seconds} seconds\n`);
        const problem = await this.#send(signal, handle, group);
        if (problem !== undefined) return problem;
      }
      if (!this.#isAlive(handle, group)) {
        this.#log.warn(`process ${group === undefined ? handle.pid : -group} exited after ${seconds} seconds\n`);
        return undefined;
      }
      await sleep(LOOK_MS);
    }
    this.#log.warn(`process ${group === undefined ? handle.pid : -group} did not exit\n`);
    return 'ETIME';
  }

  #isAlive(handle: ProcessHandle, group: number | undefined): boolean {
    if (group === undefined) return handle.stillSame();
    try {
      process.kill(-group, 0);
      return true;
    } catch {
      return false;
    }
  }
}
