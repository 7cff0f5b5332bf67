/** Locks between processes, for files that several processes would make at the same time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Runs `work` while this process holds the lock of a file, as flock(1) in scripts/setup.sh does. It waits for other holders. The kernel
 * releases the lock if this process ends.
 */
export async function locked<T>(file: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  // cat begins to run when flock has the lock, and ends with the pipe.
  const holder = spawn('flock', [file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'close');
  holder.stdin.on('error', () => {}); // flock has ended, which `ended` tells
  holder.stdin.write('locked\n');
  await Promise.race([once(holder.stdout, 'data'), ended.then(() => Promise.reject(new Error(`flock ${file} ended`)))]);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

/**
 * Makes a directory under a temporary name and renames it at the end, so that a directory that exists is complete. Only one process
 * makes it; the others wait.
 *
 * @param make fills the given directory. @returns what becomes the directory: the given one, or a directory in it
 */
export async function makeOnce(directory: string, make: (work: string) => Promise<string>): Promise<string> {
  if (existsSync(directory)) return directory;
  return locked(`${directory}.lock`, async () => {
    if (existsSync(directory)) return directory;
    const work = mkdtempSync(`${directory}-`);
    try {
      renameSync(await make(work), directory);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return directory;
  });
}
