/** A process that is worth killing, for tests of a guard that only rehearses. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const HOLDS = "const held = Buffer.alloc(128 << 20, 1); console.log('ready'); setTimeout(() => held, 600_000)";

/**
 * Starts a process that holds 128 MiB. On a machine where no process holds 64 MiB, the guard does nothing: see
 * whyNoHelp(). The caller disposes of it.
 */
export async function holdMemory(): Promise<Disposable> {
  const child = spawn(process.execPath, ['-e', HOLDS], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}
