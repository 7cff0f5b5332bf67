import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** Starts a process that stays a zombie when it has ended, because its parent does not wait for it. @returns its pid */
export async function startUnreaped(): Promise<number> {
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  // Until it has become sleep, the shell would wait for its child.
  while (readFileSync(`/proc/${parent.pid}/comm`, 'latin1') !== 'sleep\n') await sleep(5);
  return Number(line);
}
