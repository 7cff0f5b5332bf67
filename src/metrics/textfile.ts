/** Writes the metrics into a file for the textfile collector of node_exporter. */
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';
import type { Metrics } from './metrics.ts';

/** @throws OomscopeError USAGE: node_exporter reads only files whose name ends in .prom */
export function checkTextfile(path: string, what: string): void {
  if (path.endsWith('.prom')) return;
  const shown = printable(path);
  throw new OomscopeError(
    'USAGE',
    `${what}: expected a name that ends in .prom, because node_exporter reads no other, got ${shown}.`,
  );
}

/**
 * Replaces the file at once, so that a reader never sees a part of it. node_exporter must be able to read it, so its
 * mode is 0644.
 *
 * @throws OomscopeError OUTPUT
 */
export async function writeTextfile(path: string, metrics: Metrics): Promise<void> {
  const fresh = `${path}.${process.pid}.new`; // in the same directory: rename(2) must not cross file systems
  try {
    await unlink(fresh).catch(() => {}); // left by a process that died while writing
    const file = await open(fresh, 'wx', 0o644);
    try {
      await file.chmod(0o644); // whatever the umask: node_exporter runs as another user
      await file.writeFile(metrics.text('prometheus'));
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await unlink(fresh).catch(() => {});
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? `there is no directory ${printable(dirname(path))}` : printable(message);
    throw new OomscopeError('OUTPUT', `Cannot write the metrics to ${printable(path)}: ${reason}.`, { cause: error });
  }
}
