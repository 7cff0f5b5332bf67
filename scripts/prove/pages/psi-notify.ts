import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Starts the real psi-notify with its default configuration. In its mount namespace, the memory.pressure of a cgroup takes
 * the place of the machine's. It has no display: it logs each alert, and that it could not show it.
 *
 * @param program the path of psi-notify, such as that of Debian's package
 * @param onAlert called for each alert about memory
 */
export function startPsiNotify(program: string, pressureFile: string, onAlert: () => void): ChildProcess {
  const script = 'mount --bind "$1" /proc/pressure/memory && exec dbus-run-session -- "$2"';
  const command = ['-m', 'sh', '-c', script, 'sh', pressureFile, program];
  // No configuration is found there. In a process group of its own, the bus ends together with it.
  const child = spawn('unshare', command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: '/nonexistent' },
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.includes('Memory alert: active')) onAlert();
    });
  }
  return child;
}
