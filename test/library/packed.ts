/** Packs the package as npm would publish it, and makes projects that have it installed. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
/** The dependencies of the package, and the types of Node, which the types of the package need. */
const INSTALLED = ['ffi-napi', 'smol-toml', '@types/node', 'undici-types'];

/** The two versions of RxJS that bound what the peer dependency allows: 7.8.0, and the newest one tested. */
export const rxjsVersions = { oldest: 'rxjs-oldest', newest: 'rxjs' } as const;

/** TypeScript 5, the last version that is written in JavaScript; a dependency of the schema generator. */
export const typescript5 = join(
  dirname(createRequire(createRequire(import.meta.url).resolve('ts-json-schema-generator')).resolve('typescript')),
  '..',
);

/** The TypeScript compilers with which the types are tested, by name. */
export const compilers = {
  'TypeScript 5': join(typescript5, 'bin/tsc'),
  'TypeScript 7': join(MODULES, 'typescript/bin/tsc'),
} as const;

export class Packed implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'oomscope-packed-'));
  readonly tarball: string;
  readonly #unpacked: string;

  /** Packs the existing build, without network access. */
  constructor() {
    const arguments_ = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', this.directory];
    execFileSync('npm', arguments_, { cwd: ROOT, stdio: 'pipe' });
    const [name] = readdirSync(this.directory);
    if (name === undefined) throw new Error('expected npm pack to write a tarball');
    this.tarball = join(this.directory, name);
    execFileSync('tar', ['xzf', this.tarball, '-C', this.directory]);
    this.#unpacked = join(this.directory, 'package');
  }

  /** A project with the package installed. @param rxjs the folder in node_modules; undefined: without RxJS */
  project(rxjs: string | undefined, files: Record<string, string> = {}): string {
    const project = mkdtempSync(join(this.directory, 'project-'));
    const modules = join(project, 'node_modules');
    for (const name of INSTALLED) link(join(MODULES, name), join(modules, name));
    if (rxjs !== undefined) link(join(MODULES, rxjs), join(modules, 'rxjs'));
    // The package is copied, because through a symbolic link it would find the dependencies of this repository.
    cpSync(this.#unpacked, join(modules, 'oomscope'), { recursive: true });
    writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
    return project;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}
