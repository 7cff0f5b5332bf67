import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeRuntime, failed, ok } from '../runtimes/fake-runtime.ts';
import { oomscope } from './cli.ts';

const nobody = ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--'];
const root = process.geteuid?.() === 0;

describe('oomscope docker and tree: errors', () => {
  it.each([
    [['docker'], 'Expected an action of `oomscope docker`: check, watch, advise; got nothing.'],
    [['docker', 'chekc'], 'Expected an action of `oomscope docker`, got "chekc". Did you mean "check"?'],
    [['docker', 'check', '--all', 'web'], '--all and "web": expected one of them, got both.'],
    [['docker', 'watch', '--json', '--text'], '--json and --text: expected one of them, got both.'],
    [['docker', 'advise', '--json', '--compose'], '--json and --compose: expected one of them, got both.'],
    [['docker', 'check', '--sample', 'x'], '--sample: expected a time'],
    [['tree', '--cgroup', 'system.slice'], 'expected the path of a cgroup, such as /system.slice, got "system.slice".'],
    [['tree', '/a'], 'Expected no argument, got "/a". Did you mean "--cgroup /a"?'],
    [['tree', '--watch', '--json'], '--watch and --json: expected one of them, got both.'],
    [['tree', '--watch'], '--watch needs a terminal'],
  ])('%j exits with code 2 and says why', async (words, sentence) => {
    const { code, stdout, stderr } = await oomscope(words);
    expect(stderr).toContain(sentence);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('reports a cgroup that does not exist', async () => {
    const { code, stderr } = await oomscope(['tree', '--cgroup', '/nowhere\x1b[31m']);
    expect(stderr).toBe('oomscope: There is no memory cgroup /nowhere\\x1b[31m.\n');
    expect(code).toBe(1);
  });

  it('prints the tree as JSON for an unprivileged user', async () => {
    const words = ['tree', '--json'];
    const { code, stdout } = root
      ? await oomscope(words, [...nobody, process.execPath, main()])
      : await oomscope(words);
    expect(JSON.parse(stdout)).toMatchObject({ path: '/', children: expect.any(Array) });
    expect(code).toBe(0);
  });

  describe('with a runtime that has no container', () => {
    let fake: FakeRuntime;
    let home: string;
    beforeAll(async () => {
      home = mkdtempSync(join(tmpdir(), 'oomscope-docker-cli-'));
      chmodSync(home, 0o755);
      fake = await FakeRuntime.start((path) => {
        if (path === '/version') return ok({});
        return path.startsWith('/containers/json') ? ok([]) : failed(404, 'none');
      });
    });
    afterAll(async () => {
      await fake[Symbol.asyncDispose]();
      rmSync(home, { recursive: true });
    });

    it('reports a container that does not exist', async () => {
      const { code, stderr } = await oomscope(['docker', 'check', 'web', '--socket', fake.socket]);
      expect(stderr).toContain('There is no container "web".');
      expect(code).toBe(1);
    });

    it.skipIf(!root)('reports a socket that may not be read', async () => {
      chmodSync(fake.socket, 0o600);
      const words = ['docker', 'check', 'web', '--socket', fake.socket];
      const { stderr } = await oomscope(words, [...nobody, process.execPath, main()]);
      chmodSync(fake.socket, 0o666);
      expect(stderr).toContain(
        `${fake.socket}: permission denied: run oomscope as root, or as a member of the group docker.`,
      );
    });

    it('watch fails if neither a runtime nor the kernel can be watched', async () => {
      const words = ['docker', 'watch', '--socket', join(home, 'none.sock'), '--duration', '1s'];
      const { code, stderr } = root
        ? await oomscope(words, [...nobody, process.execPath, main()])
        : await oomscope(words);
      expect(stderr).toContain('none.sock: there is no such socket.');
      expect(stderr).toContain('The kernel cannot be watched either');
      expect(code).toBe(69);
    });

    it('advise does not overwrite a file', async () => {
      const path = join(home, 'compose.yaml');
      writeFileSync(path, 'mine');
      const { code } = await oomscope(['docker', 'advise', '--output', path, '--socket', fake.socket]);
      expect(readFileSync(path, 'utf8')).toBe('mine');
      expect(code).not.toBe(0);
    });
  });
});

const main = () => join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
