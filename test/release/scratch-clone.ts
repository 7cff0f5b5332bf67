/** A repository with the files of this one, committed or not, in one commit: for tests that commit. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../cli/cli.ts';

export class ScratchClone implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'oomscope-clone-'));

  constructor() {
    execFileSync('git', ['init', '--quiet', this.directory]);
    const names = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
    const words = ['--null', '--no-recursion', '--ignore-failed-read', '--files-from=-', '-cf', '-'];
    const archive = execFileSync('tar', words, { cwd: ROOT, input: names, maxBuffer: 2 ** 28, stdio: 'pipe' });
    execFileSync('tar', ['-xf', '-', '-C', this.directory], { input: archive });
    this.git('config', 'user.name', 'test');
    this.git('config', 'user.email', 'test@localhost');
    this.git('add', '--all');
    this.git('commit', '--quiet', '--no-verify', '--message', 'a commit');
  }

  git(...words: string[]): string {
    return execFileSync('git', words, { cwd: this.directory, encoding: 'utf8', stdio: 'pipe' }).trim();
  }

  /** `npm run release`, without the setup before it. */
  release(...words: string[]): { status: number | null; stdout: string; stderr: string } {
    const flags = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
    const script = join(this.directory, 'scripts/release/main.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, script, ...words], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
    });
    return { status, stdout, stderr };
  }

  /** Copies what is built, with its times, so that only what a test changes is built again. Files are hard links: the originals stay. */
  takeBuilt(): void {
    for (const name of ['node_modules', 'dist', 'build']) {
      mkdirSync(join(this.directory, name), { recursive: true });
      const from = name === 'build' ? builtFiles() : [`${join(ROOT, name)}/.`];
      execFileSync('cp', [
        '--archive',
        ...(name === 'node_modules' ? ['--link'] : []),
        ...from,
        join(this.directory, name),
      ]);
    }
    const layout = 'src/bpf/wire/layout.ts';
    execFileSync('cp', ['--archive', join(ROOT, layout), join(this.directory, layout)]);
    appendFileSync(join(this.directory, '.git/info/exclude'), 'node_modules\n');
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The outputs of scripts/setup.sh, without packages and results of benches. */
function builtFiles(): string[] {
  const listed = execFileSync('find', [join(ROOT, 'build'), '-mindepth', '1', '-maxdepth', '1', '-printf', '%f\\0']);
  const names = listed.toString().split('\0').filter(Boolean);
  return names
    .filter((name) => !/^(packages|bench|arm64|test-packages|\.lock)$/.test(name))
    .map((name) => join(ROOT, 'build', name));
}
