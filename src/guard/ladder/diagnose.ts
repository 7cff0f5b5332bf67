/** Why a process that was told to die has not. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIfPresent } from '../../linux/capabilities.ts';
import { processFiles, readProcess } from '../../linux/process-reader.ts';
import type { StuckDiagnosis } from '../../model/guard.ts';

/** Between two looks at its memory. */
const APART_MS = 100;
/** Less than this is no progress. */
const FALLING_BYTES = 2 ** 20;

/** Takes some 100 ms. Never rejects. */
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
  // down_read(&mm->mmap_lock) and its like: who waits there cannot be reaped either.
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
  if (state === null) return 'It is gone.';
  if (memory_falling) return 'It is dying slowly: its memory still falls.';
  if (mmap_lock) return `It waits for a memory map's lock${where}: its memory cannot be taken while that is held.`;
  if (state === 'D') return `It is in an uninterruptible wait${where}: it dies when that is over.`;
  if (state === 'T' || state === 't') return 'It is stopped or traced.';
  if (state === 'Z') return 'It has ended, and its threads or its parent have not noticed.';
  return `It runs or sleeps${where}, and pays no heed.`;
}

function threadsOf(pid: number, proc: string): string[] {
  try {
    return readdirSync(`${proc}/${pid}/task`).slice(0, 64);
  } catch {
    return [];
  }
}

/** undefined: it has no memory any more. */
function residentBytes(pid: number, proc: string): number | undefined {
  const found = readProcess(pid, ['status'], proc);
  return found?.hasMemory ? found.rssBytes : undefined;
}
