/** Units that could not start, or that would run code of other users. The files are real. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { unitProblems } from '../../src/cli/verbs/systemd/unit-problems.ts';
import { parseConfig } from '../../src/config/config.ts';
import { featuresOf, programsOf, writtenBy } from '../../src/config/features.ts';
import { oomscope } from './cli.ts';

let directory = '';
const isRoot = process.geteuid?.() === 0;
beforeEach(() => {
  directory = mkdtempSync('/var/lib/oomscope-test-'); // neither below /home nor below /tmp
  return () => rmSync(directory, { recursive: true });
});

function file(name: string, mode = 0o644): string {
  const path = join(directory, name);
  writeFileSync(path, '');
  chmodSync(path, mode);
  return path;
}
const code = (path: string) => unitProblems({ code: [{ path, by: 'the code' }], written: [] });
const written = (path: string) => unitProblems({ code: [], written: [{ path, by: 'the spool' }] });

describe.skipIf(!isRoot)('the code of a unit', () => {
  test('is fine where only root can write it', () => {
    expect(code(file('main.js'))).toEqual([]);
    expect(code(process.platform === 'linux' ? '/usr/bin/env' : '')).toEqual([]);
  });

  test('is refused where another user can write it, its directory or a directory above', () => {
    expect(code(file('open.js', 0o666))).toEqual([
      `${directory}/open.js (the code) can be written by other users (mode 666): the service would run code of that user as root. Move it, or change its owner and mode.`,
    ]);
    const theirs = file('theirs.js');
    chownSync(theirs, 65534, 65534);
    expect(code(theirs)[0]).toContain('theirs.js (the code) belongs to the user 65534');
    mkdirSync(join(directory, 'inner'));
    const inner = file('inner/main.js');
    expect(code(inner)).toEqual([]);
    chmodSync(directory, 0o777);
    expect(code(inner)[0]).toContain(`${directory} (the code) can be written by other users (mode 777)`);
    chmodSync(directory, 0o1777);
    expect(code(inner)).toEqual([]); // sticky: others cannot replace what is in it
  });

  test('is refused where the unit does not see it', () => {
    const home = mkdtempSync('/root/oomscope-test-');
    try {
      writeFileSync(join(home, 'main.js'), '');
      expect(code(join(home, 'main.js'))[0]).toContain(
        'lies below /root, which ProtectHome=yes hides from the service',
      );
    } finally {
      rmSync(home, { recursive: true });
    }
    expect(code('/nonexistent/main.js')).toEqual(['/nonexistent/main.js (the code) does not exist.']);
  });
});

describe.skipIf(!isRoot)('what a unit writes', () => {
  test('must be a directory that it sees', () => {
    expect(written(directory)).toEqual([]);
    expect(written('/home/me/spool')[0]).toContain('lies below /home, which ProtectHome=yes hides');
    expect(written('/tmp/spool')[0]).toContain('lies below /tmp, which PrivateTmp=yes hides');
    expect(written(join(directory, 'none'))[0]).toContain('is no directory, so systemd could not make it writable');
    expect(written('spool')[0]).toContain('is a relative path');
  });
});

test('a configuration names its features, its programs and its files', async () => {
  const toml = `[guard]
mode = "enforce"
state_file = "/var/lib/oomscope/guard.state"
[[guard.rule]]
name = "first aid"
when = ["available < 1K"]
steps = [{ do = "exec", command = ["/usr/local/bin/aid", "now"] }, { do = "kill" }]
[[alert]]
sink = "file"
target = "/var/log/oomscope/alerts.jsonl"
[[alert]]
sink = "exec"
target = "/usr/local/bin/page"
spool = "/srv/spool"
`;
  const config = await parseConfig(toml, 'test.toml');
  expect([...featuresOf(config)]).toEqual(['watching', 'guarding', 'arming']);
  expect(programsOf(config)).toEqual([
    { path: '/usr/local/bin/page', by: 'the sink exec' },
    { path: '/usr/local/bin/aid', by: 'rule "first aid"' },
  ]);
  expect(writtenBy(config)).toEqual([
    { path: '/var/log/oomscope', by: 'the sink file' },
    { path: '/srv/spool', by: 'the spool of the sink exec' },
  ]);
  const dry = await parseConfig('[guard]\n[[alert]]\nsink = "desktop"\n', 'test.toml');
  expect([...featuresOf(dry)]).toEqual(['watching', 'notifying']);
});

test('install does not ignore --now together with --directory', async () => {
  const { code: exit, stderr } = await oomscope(['systemd', 'install', '--now', '--directory', directory]);
  expect(stderr).toBe(
    'oomscope: --now and --directory: expected one of them, got both; systemd starts units of its own directories only.\n',
  );
  expect(exit).toBe(2);
});

test.skipIf(!isRoot)('install refuses a unit that would run the program of another user, and says why', async () => {
  const program = file('page', 0o777);
  const config = join(directory, 'oomscope.toml');
  writeFileSync(config, `[[alert]]\nsink = "exec"\ntarget = "${program}"\n`);
  const { code: exit, stderr } = await oomscope(['systemd', 'install', '--config', config]);
  expect(stderr).toContain('oomscope: The unit is not installed:\n');
  expect(stderr).toContain(`${program} (the sink exec) can be written by other users (mode 777)`);
  expect(exit).toBe(2);
});
