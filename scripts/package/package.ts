/** What all packages have in common: architectures, the version, the time stamp of their files, tar archives. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Architecture = 'x64' | 'arm64';
export const ARCHITECTURES: readonly Architecture[] = ['x64', 'arm64'];

export const ROOT = join(import.meta.dirname, '../..');

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  [key: string]: unknown;
}
export const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** Seconds since 1970 of every file in a package: the time of the last commit, so that two builds have the same bytes. */
export const epoch = Number(
  process.env.SOURCE_DATE_EPOCH ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }),
);

/** Prefix of the compiler's programs for an architecture. */
export function crossPrefix(architecture: Architecture): string {
  if (architecture === process.arch) return '';
  return architecture === 'arm64' ? 'aarch64-linux-gnu-' : 'x86_64-linux-gnu-';
}

/** Debian's name of an architecture. */
export const debianNames: Record<Architecture, string> = { x64: 'amd64', arm64: 'arm64' };

export function say(sentence: string): void {
  process.stderr.write(`package: ${sentence}\n`);
}

/** Writes an archive of a folder's content, compressed if its name ends in "gz". Its bytes depend only on names, content and modes. */
export function archive(folder: string, names: readonly string[], output: string): void {
  const form = ['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner', '--format=ustar'];
  const compressed = output.endsWith('gz') ? ['-I', 'gzip -9n'] : [];
  const modes = '--mode=u+rwX,go+rX,go-w'; // whatever the umask was
  execFileSync('tar', [...form, modes, '-C', folder, ...compressed, '-cf', output, ...names]);
}

export function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
