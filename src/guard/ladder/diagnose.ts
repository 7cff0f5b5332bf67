/** Finds out why a process has not exited after a signal. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { processFiles, readProcess } from '../../linux/process-reader.ts';
import { readIfPresent } from '../../linux/read-if-present.ts';
import type { StuckDiagnosis } from '../../model/guard.ts';

/** Time between the two readings of the process's memory (ms). */
const APART_MS = 100;
/** The memory of the process counts as falling if it shrinks by more than this between the two readings. */
const FALLING_BYTES = 2 ** 20;

/** Finds out why the process has not exited. Takes about 100 ms. Never rejects. */
export async function diagnose(pid: number, proc = '/proc'): Promise<StuckDiagnosis> {
  const before = residentBytes(pid, proc);
  await sleep(APART_MS);
  const after = residentBytes(pid, proc);
  const threads = threadsOf(pid, proc).map((tid) => {
    const thread = `${proc}/${pid}/task/${tid}`;
    return { state: processFiles.stat(thread)?.state ?? null, wchan: readIfPresent(`${thread}/wchan`) };
  });
  const worst = threads.find(({ state }) => state === 'D') ?? threads[0];
  const waits = worst?.wchan && worst.wchan !== '0' ? worst.wchan : null;
  // A thread that waits in down_read(&mm->mmap_lock) or similar: the OOM reaper needs that lock, too, so it cannot free
  // the memory either.
  const mmapLock = threads.some(({ wchan }) => /rwsem|mmap|down_(read|write)/.test(wchan ?? ''));
  const falling = before !== undefined && after !== undefined && before - after > FALLING_BYTES;
  const found = {
    state: worst?.state ?? null,
    wchan: waits,
    mmap_lock: mmapLock,
    memory_falling: falling,
    rss_bytes: after ?? null,
  };
  return { ...found, verdict: verdict(found) };
}

function verdict({ state, wchan, mmap_lock, memory_falling }: Omit<StuckDiagnosis, 'verdict'>): string {
  const where = wchan === null ? '' : ` in ${wchan}`;
  if (state === null) return 'The process has exited.';
  if (memory_falling) return 'The process is exiting slowly: its memory still shrinks.';
  if (mmap_lock)
    return `The process waits for mmap_lock${where}: its memory cannot be freed while another thread holds that lock.`;
  if (state === 'D') return `The process is in uninterruptible sleep${where}: it will exit when that sleep ends.`;
  if (state === 'T' || state === 't') return 'The process is stopped or traced.';
  if (state === 'Z')
    return 'The process is a zombie: its parent has not called wait(2) for it, or its other threads are still running.';
  return `The process is running or sleeping${where} and has not reacted to the signal.`;
}

function threadsOf(pid: number, proc: string): string[] {
  try {
    return readdirSync(`${proc}/${pid}/task`).slice(0, 64);
  } catch {
    return [];
  }
}

/** The resident memory of a process; undefined: the process has none left. */
function residentBytes(pid: number, proc: string): number | undefined {
  const found = readProcess(pid, ['status'], proc);
  return found?.hasMemory ? found.rssBytes : undefined;
}
