/** The packages for npm, installed without network and without a compiler. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, sha256 } from '../../scripts/package/package.ts';
import { ended } from '../cli/cli.ts';
import { compilers } from '../library/packed.ts';
import { Built, PACKAGE, STRIP_TYPES } from './built.ts';

const isRoot = process.geteuid?.() === 0;
const environment = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

describe('the packages for npm', () => {
  let built: Built;
  let project: string;
  let platform: string;
  let main: string;

  beforeAll(() => {
    built = new Built('npm');
    platform = built.file(/^oomscope-linux-.*\.tgz$/);
    main = built.file(/^oomscope-\d.*\.tgz$/);
    project = join(built.directory, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
    // An empty cache, no registry, no compiler: only Node, the shell and npm are in the path.
    const env = { HOME: join(built.directory, 'home'), PATH: `${dirname(process.execPath)}:/bin`, LC_ALL: 'C' };
    const words = ['install', '--offline', '--cache', join(built.directory, 'cache'), platform, main];
    execFileSync('npm', words, { cwd: project, env, stdio: 'pipe' });
  }, 300_000);
  afterAll(() => built?.[Symbol.dispose]());

  test('are smaller than 2 MB each', () => {
    expect(statSync(platform).size).toBeLessThan(2e6);
    expect(statSync(main).size).toBeLessThan(2e6);
  });

  test('have no install script and no dependency that must be fetched', () => {
    for (const path of [platform, main]) {
      const manifest = JSON.parse(
        execFileSync('tar', ['xzOf', path, 'package/package.json'], { encoding: 'utf8' }),
      ) as Record<string, unknown>;
      expect(manifest).not.toHaveProperty('scripts');
      expect(manifest).not.toHaveProperty('dependencies');
    }
  });

  test('are the same bytes when they are made again', () => {
    using again = new Built('npm');
    expect(sha256(again.file(/^oomscope-linux-/))).toBe(sha256(platform));
    expect(sha256(again.file(/^oomscope-\d/))).toBe(sha256(main));
  });

  test('bring the command, with the native files of the package for the platform', () => {
    const command = join(project, 'node_modules/.bin/oomscope');
    const version = execFileSync(command, ['--version'], { encoding: 'utf8' });
    expect(version).toBe(
      `oomscope ${JSON.parse(readFileSync(join(project, 'node_modules/oomscope/package.json'), 'utf8')).version}\n`,
    );
    const { stdout } = run(command, 'doctor', '--json');
    expect(stdout).toContain('"libbpf"');
    expect(stdout).not.toContain('npm run setup');
    const schema = readFileSync(join(ROOT, 'src/model/oomscope-v1.schema.json'), 'utf8');
    expect(JSON.parse(run(command, 'schema').stdout)).toEqual(JSON.parse(schema));
  });

  test('bring every entry point of the library, with its types', () => {
    for (const name of ['rxjs', '@types/node', 'undici-types']) {
      const link = join(project, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), link);
    }
    const entries = ['oomscope', 'oomscope/testing', 'oomscope/fleet', 'oomscope/explain'];
    const lines = entries.map((entry, i) => `import * as entry${i} from '${entry}';`);
    const names = lines.map((_, i) => `entry${i}`).join(', ');
    writeFileSync(join(project, 'consumer.ts'), `${lines.join('\n')}\nconsole.log([${names}].length);\n`);
    const options = { target: 'es2022', module: 'nodenext', strict: true, types: ['node'], skipLibCheck: false };
    const lib = ['es2023', 'esnext.disposable'];
    const config = { compilerOptions: { ...options, lib, resolveJsonModule: true }, files: ['consumer.ts'] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    expect(run(process.execPath, compilers['TypeScript 7'], '-p', '.')).toMatchObject({ stdout: '', status: 0 });
    expect(run(process.execPath, 'consumer.js')).toEqual({ stdout: `${entries.length}\n`, stderr: '', status: 0 });
  });

  test('contain nothing that no entry point needs', () => {
    const files = execFileSync('tar', ['tzf', main], { encoding: 'utf8' }).split('\n');
    expect(files).toContain('package/dist/tracer/tracer.js');
    // The bundle in dist/cli has its own copy of the modules of the verbs.
    expect(files.filter((name) => /dist\/(daemon|demo|doctor)\/./.test(name))).toEqual([]);
  });

  test('contain no path of the clone that they were made in', () => {
    const where = execFileSync('tar', ['xzOf', platform], { maxBuffer: 2 ** 26 }).indexOf(`${ROOT}/`);
    expect(where).toBe(-1);
  });

  test('have no name before they are whole', () => {
    const programs = join(built.directory, 'programs');
    mkdirSync(programs);
    // A tar that stops in the middle of a package, as on a full disk.
    const tar = '#!/bin/sh\nwhile [ "$1" != -cf ]; do shift; done\necho half >"$2"\nexit 1\n';
    writeFileSync(join(programs, 'tar'), tar, { mode: 0o755 });
    const output = join(built.directory, 'stopped');
    const words = [...STRIP_TYPES, PACKAGE, '--arch', process.arch, '--only', 'npm', '--output', output];
    const env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
    const { status } = spawnSync(process.execPath, words, { env, stdio: 'ignore' });
    expect(status).toBe(1);
    expect(readdirSync(output)).toEqual(['.work']);
  });

  test.skipIf(!isRoot)('make and trace a kill', async () => {
    const command = join(project, 'node_modules/.bin/oomscope');
    const words = ['trace', '--json', '--count', '1', '--comm', 'hog', '--duration', '60s'];
    const tracer = spawn(command, words, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = ended(tracer);
    await once(tracer.stdout, 'data'); // tracer.started
    const { stderr } = run(command, 'demo', '--limit', '32M');
    const { stdout } = await end;
    expect(stderr).toContain('the cgroup has counted 1 OOM kill');
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.map(({ type }) => type)).toContain('oom.kill');
  });

  test('without the package for the platform: one sentence that names it', () => {
    const { stderr, status } = run(
      'env',
      '-u',
      'OOMSCOPE_NATIVE',
      'sh',
      '-c',
      'mv node_modules/@oomscope hidden; node_modules/.bin/oomscope trace; code=$?; mv hidden node_modules/@oomscope; exit $code',
    );
    expect(stderr).toContain(`@oomscope/linux-${process.arch}-glibc`);
    expect(status).toBe(69);
  });

  test('without the folder of native files that OOMSCOPE_NATIVE names: one sentence', () => {
    const { stderr, status } = run('env', 'OOMSCOPE_NATIVE=/nowhere', 'node_modules/.bin/oomscope', 'trace');
    expect(stderr).toContain('/nowhere/oomscope.node');
    expect(status).toBe(69);
  });

  function run(program: string, ...words: string[]): { stdout: string; stderr: string; status: number } {
    const { stdout, stderr, status } = spawnSync(program, words, {
      cwd: project,
      env: environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { stdout, stderr, status: status ?? -1 };
  }
});
