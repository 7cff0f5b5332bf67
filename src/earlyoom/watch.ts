/**
 * earlyoom's loop: look at memory, kill when both memory and swap are short, sleep for as long as memory cannot run out.
 */

import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadNative } from '../native/addon.ts';
import { failure } from '../native/system-call.ts';
import { VERSION } from '../version.ts';
import { codeOf, errorText } from './errors.ts';
import { checkHooks, Hooks } from './hooks.ts';
import { Killer, type Signal } from './kill.ts';
import { EarlyoomExit, type EarlyoomLog, openLog } from './log.ts';
import { type Memory, mib, percent, readMemory, statusLine } from './memory.ts';
import { type Earlyoom, readEarlyoom } from './options.ts';
import { findVictim } from './victim.ts';

/** The version of earlyoom that is imitated. */
export const IMITATED = '1.8.2';
/** How fast memory and swap can fill at most (KiB per ms), and the limits of the sleep that follows from it (ms). */
const FILL_RATE = { memory: 6000, swap: 800 };
const SLEEP_MS = { least: 100, most: 1000 };

/** Runs until a signal ends the process. @returns the exit code where earlyoom would exit by itself */
export async function watchAsEarlyoom(argv: readonly string[]): Promise<number> {
  const log = openLog();
  log.plain(`earlyoom v${IMITATED} (oomscope ${VERSION} in its place)\n`);
  try {
    enterProc(log);
    const memory = readMemory(log);
    const asked = readEarlyoom(argv, memory, log);
    if (asked.priority) raisePriority(log);
    log.plain(startLines(asked, memory));
    return await loop(selfTest(asked, log), log);
  } catch (error) {
    if (error instanceof EarlyoomExit) return error.exitCode;
    throw error;
  }
}

/** Programs that are run inherit this directory. */
function enterProc(log: EarlyoomLog): void {
  try {
    process.chdir('/proc');
  } catch (error) {
    log.fatal(4, `Could not cd to /proc: ${errorText(codeOf(error))}`);
  }
}

/** The lines about the thresholds. */
function startLines({ memory, swap }: Earlyoom, { totalKib, userTotalKib, swapTotalKib }: Memory): string {
  const totals = [`mem total: ${mib(totalKib, 4)} MiB`, `user mem total: ${mib(userTotalKib, 4)} MiB`];
  const at = (which: 0 | 1) => `when mem avail <= ${percent(memory[which])} and swap free <= ${percent(swap[which])}`;
  return [
    `${totals.join(', ')}, swap total: ${mib(swapTotalKib, 4)} MiB\n`,
    `sending SIGTERM ${at(0)},\n`,
    `        SIGKILL ${at(1)}\n`,
  ].join('');
}

/** Chooses a victim once, before it matters: this compiles the code, and shows that /proc can be read. */
function selfTest(asked: Earlyoom, log: EarlyoomLog): Earlyoom {
  log.debug('startup_selftests: dry-running oom kill...\n');
  new Killer(asked, log, new Hooks(asked, log), () => undefined).rehearse(findVictim(asked, log));
  return checkHooks(asked, log);
}

function raisePriority(log: EarlyoomLog): void {
  const failures = [
    attempt('priority', () => setPriority(-20)),
    attempt('oom_score_adj', () => writeFileSync('/proc/self/oom_score_adj', '-100')),
  ].filter((problem) => problem !== undefined);
  for (const problem of failures) log.warn(problem);
  if (failures.length === 0) log.plain('Priority was raised successfully\n');
}

function attempt(what: string, act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    const { info } = error as { info?: { code?: string } };
    return `Could not set ${what}: ${errorText(info?.code ?? codeOf(error))}. Continuing anyway\n`;
  }
}

async function loop(asked: Earlyoom, log: EarlyoomLog): Promise<never> {
  const hooks = new Hooks(asked, log);
  const killer = new Killer(asked, log, hooks, () => signalFor(asked, readMemory(log)));
  let reportInMs = 0;
  for (let prepared = false; ; prepared = true) {
    let memory = readMemory(log);
    const signal = signalFor(asked, memory);
    if (signal) {
      log.warn(statusLine(memory));
      const [mem, swap] = [asked.memory, asked.swap].map((each) => percent(each[signal === 'SIGTERM' ? 0 : 1]));
      log.warn(`low memory! at or below ${signal} limits: mem ${mem}, swap ${swap}\n`);
      const victim = findVictim(asked, log);
      memory = readMemory(log);
      if (signalFor(asked, memory) === undefined) log.warn('memory situation has recovered while selecting victim\n');
      else await killer.kill(signal, victim);
    } else if (asked.reportMs !== 0 && reportInMs <= 0) {
      log.info(statusLine(memory));
      reportInMs = asked.reportMs;
    }
    // The first status line need not wait for this.
    if (!prepared) lockMemory(log);
    const sleepMs = sleepFor(asked, memory);
    log.debug(`adaptive sleep time: ${sleepMs} ms\n`);
    await sleep(sleepMs);
    reportInMs = (reportInMs - sleepMs) | 0; // earlyoom's counter is an int
  }
}

/** The signal that the thresholds ask for. undefined: memory is not short. */
function signalFor({ memory, swap }: Earlyoom, { availablePercent, swapFreePercent }: Memory): Signal | undefined {
  const below = (which: 0 | 1) => availablePercent <= memory[which] && swapFreePercent <= swap[which];
  return below(1) ? 'SIGKILL' : below(0) ? 'SIGTERM' : undefined;
}

/** Memory and swap can fill only so fast: until then nothing can be missed (ms). */
function sleepFor({ memory, swap }: Earlyoom, now: Memory): number {
  const headroom = (free: number, limit: number, totalKib: number) =>
    Math.max(0, Math.trunc(((free - limit) * totalKib) / 100) || 0); // a threshold may be "nan"
  const ms =
    Math.trunc(headroom(now.availablePercent, memory[0], now.userTotalKib) / FILL_RATE.memory) +
    Math.trunc(headroom(now.swapFreePercent, swap[0], now.swapTotalKib) / FILL_RATE.swap);
  return Math.min(SLEEP_MS.most, Math.max(SLEEP_MS.least, ms));
}

function lockMemory(log: EarlyoomLog): void {
  const problem = failure(loadNative().lockMemory());
  if (problem !== undefined) log.plain(`Could not lock memory - continuing anyway: ${errorText(problem)}\n`);
}
