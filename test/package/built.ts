/** The packages for this machine's architecture, made once for all tests of this folder. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../library/packed.ts';

export const PACKAGE = join(ROOT, 'scripts/package/main.ts');
export const STRIP_TYPES = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];

export class Built implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'oomscope-packages-'));

  /** @param kinds of packages, as `npm run package -- --only` takes them */
  constructor(...kinds: string[]) {
    const words = ['--arch', process.arch, '--output', this.directory, ...kinds.flatMap((kind) => ['--only', kind])];
    execFileSync(process.execPath, [...STRIP_TYPES, PACKAGE, ...words], { cwd: ROOT, stdio: 'pipe' });
  }

  /** The path of the only file whose name the pattern matches. */
  file(pattern: RegExp): string {
    const found = readdirSync(this.directory).filter((name) => pattern.test(name));
    if (found.length !== 1)
      throw new Error(`expected one file that matches ${pattern}, got ${found.join(', ') || 'none'}`);
    return join(this.directory, found[0] as string);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
