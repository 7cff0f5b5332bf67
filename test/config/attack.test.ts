/** Configurations that try to hang, crash or mislead the reader. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig, readConfig } from '../../src/config/config.ts';
import { MAIN } from '../cli/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Reads the file in a separate process, because a reader that hangs would also hang the test. */
function check(path: string) {
  const { status, stderr, signal } = spawnSync(process.execPath, [MAIN, 'config', 'check', path], {
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  return { status, stderr, signal };
}

function checkText(toml: string) {
  const path = join(directory, 'attack.toml');
  writeFileSync(path, toml);
  return check(path);
}

async function faultsOf(toml: string): Promise<string[]> {
  return parseConfig(toml, 'f.toml').then(
    () => [],
    (error: Error) => error.message.split('\n').slice(1),
  );
}

async function cpuMs(act: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('a hostile key', () => {
  it.each(['"a\\u005d"', '"]"', '"["', '"a.b"', '"a[0]"', '"[0]"', '"a\\"b"', "'a\\\"'", '"\\u005d".x', '"."', '""'])(
    '%s is reported with the right line',
    (key) => {
      const { status, stderr } = checkText(`[trace]\n\n${key} = 1\n`);
      expect(status).toBe(2);
      expect(stderr).toMatch(/attack\.toml:3: trace\.".*": there is no such setting/);
    },
  );

  it('is not mistaken for another key', async () => {
    const faults = await faultsOf('[trace]\nenabled = 1\n"a.enabled" = 2\n["trace.enabled"]\n');
    expect(faults.map((fault) => fault.split(': ').slice(0, 2))).toEqual([
      ['f.toml:2', 'trace.enabled'],
      ['f.toml:3', 'trace."a.enabled"'],
      ['f.toml:4', '"trace.enabled"'],
    ]);
  });

  it('cannot move the cursor, break the line or reorder text', async () => {
    const hostile = 'a\\u001b[2J\\u202e\\u009b\\u2028';
    for (const toml of [`"${hostile}" = 1`, `[trace]\ncandidates = "${hostile}"`, `[[alert]]\nsink = "${hostile}"`]) {
      const faults = await faultsOf(toml);
      expect(faults).toHaveLength(1);
      expect(faults[0]).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
    }
  });
});

describe('refuses a path that is not a configuration file', () => {
  const refused = (path: string, why: RegExp) => {
    const began = performance.now();
    const { status, stderr, signal } = check(path);
    expect({ status, signal }).toEqual({ status: 66, signal: null });
    expect(stderr).toMatch(why);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(15_000);
  };

  it('a FIFO, without waiting for a writer', () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    refused(fifo, /expected a regular file, got a FIFO/);
  });

  it('a directory, a device and a socket', () => {
    mkdirSync(join(directory, 'sub'));
    refused(join(directory, 'sub'), /expected a regular file, got a directory/);
    refused('/dev/zero', /expected a regular file, got a device/);
  });

  it('a file of 300 MB, without reading it', () => {
    const huge = join(directory, 'huge.toml');
    writeFileSync(huge, '');
    truncateSync(huge, 300e6);
    refused(huge, /larger than 256 KiB/);
  });

  it('files of /proc that are endless or empty', () => {
    refused('/proc/self/mem', /cannot be read: E/);
    refused('/proc/self/pagemap', /larger than 256 KiB|cannot be read: E/);
  });

  it('a path with control characters, which the message shows escaped', () => {
    refused(join(directory, 'a\x1b[2J\u202e'), /a\\x1b\[2J\\u\{202e\}: there is no such file/);
  });
});

describe('refuses an impossible value', () => {
  const sink = (more: string) => `[[alert]]\nsink = "webhook"\ntarget = "https://example.org/"\n${more}`;
  const rule = (more: string) => `[[guard.rule]]\nname = "x"\nwhen = ["available < 5 %"]\n${more}`;
  it.each([
    [sink('timeout = "0s"'), 'timeout'],
    [sink('timeout = "9999d"'), 'timeout'],
    [sink('spool = "/x"\nspool_size = "0"'), 'spool_size'],
    ['[[alert]]\nsink = "exec"\ntarget = "/bin/true"\nevery = "9999w"', 'every'],
    ['[[alert]]\nsink = "file"\ntarget = "/x"\nsize = "0"', 'size'],
    ['[trace]\nring = "0"', 'trace.ring'],
    ['[trace]\nring = "100000"', 'trace.ring'],
    ['[trace]\nring = "1024T"', 'trace.ring'],
    ['[guard]\nfastest = "0s"', 'guard.fastest'],
    ['[guard]\nfastest = "30d"', 'guard.fastest'],
    ['[guard]\nkills_per_minute = inf', 'guard.kills_per_minute'],
    ['[guard]\nrealtime_priority = nan', 'guard.realtime_priority'],
    [rule('cool_down = "60d"'), 'cool_down'],
    [rule('undo_after = "60d"'), 'undo_after'],
    [rule('steps = [{ do = "term", wait = "60d" }, { do = "kill" }]'), 'wait'],
    [rule('steps = [{ do = "reclaim", bytes = "0" }, { do = "kill" }]'), 'bytes'],
    [`[[guard.rule]]\nname = "x"\nwhen = ["available < 5 %", "rounds_left < 1${'0'.repeat(400)}"]`, 'when[1]'],
    [`[[guard.rule]]\nname = "x"\nwhen = ["available < 5 % for 60d"]`, 'when[0]'],
    ['[pressure]\nwindows = []', 'pressure.windows'],
    ['[pressure]\nwindows = ["10ms", "20ms", "30ms", "40ms"]', 'pressure.windows'],
  ])('%j', async (toml, part) => {
    const faults = await faultsOf(toml);
    expect(faults.join('\n')).toContain(part);
    expect(faults.join('\n')).toMatch(/expected|never/);
  });

  it.each([
    'https://',
    'http://:80/',
    'htps://example.org',
    'http://example.org:99999/',
    'http://exa mple/',
    'hooks.example.org',
    'http://[::1',
    'ftp://h/x',
    'http://h:0/',
  ])('the URL %j is refused and not shown', async (url) => {
    for (const name of ['webhook', 'slack', 'alertmanager']) {
      const faults = await faultsOf(`[[alert]]\nsink = "${name}"\ntarget = "${url}"\n`);
      expect(faults).toHaveLength(1);
      expect(faults[0]).toMatch(/^f\.toml:3: alert\[0\]\.target: expected a URL/);
      expect(faults[0]).not.toContain('example.org');
    }
  });
});

/**
 * The CPU time of `act`, as a multiple of the CPU time in which ordinary files with 2,000 rules together are read. Other
 * processes make both slower, so the machine need not be quiet. 1 is about 15 ms.
 */
async function timesOrdinary(act: () => Promise<unknown>): Promise<number> {
  const rules = Array.from(
    { length: 100 },
    (_, i) => `[[guard.rule]]\nname = "x${i}"\nwhen = ["available < ${(i % 9) + 1} %"]\n`,
  );
  const readOrdinary = async () => {
    for (let i = 0; i < 20; i++) await parseConfig(rules.join(''), 'f.toml');
  };
  await Promise.all([act(), readOrdinary()]); // warms up the code
  let [least, ordinary] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < 3; i++) {
    least = Math.min(least, await cpuMs(act));
    ordinary = Math.min(ordinary, await cpuMs(readOrdinary));
  }
  return least / ordinary;
}

/** Hostile files take up to 6 times as long, measured; a pattern of quadratic time takes 39 times as long for 50 kB. */
const MOST = 12;

describe('a large file takes little CPU time to read', () => {
  const times = (count: number, line: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i)).join('');
  it.each([
    ['ten thousand unknown keys', times(10_000, (i) => `key_${i} = 1\n`)],
    ['a key of 100 kB', `"${'a'.repeat(100_000)}" = 1\n`],
    ['a value of 200 kB', `[trace]\ncandidates = "${'a'.repeat(200_000)}"\n`],
    ['a detector of blanks', `[[guard.rule]]\nname = "x"\nwhen = ["available <= 10${' '.repeat(200_000)}%"]\n`],
    ['a detector of "for"', `[[guard.rule]]\nname = "x"\nwhen = ["available <= 10 ${'for '.repeat(50_000)}%"]\n`],
    ['ten thousand wrong detectors', `[[guard.rule]]\nname = "x"\nwhen = [${times(10_000, (i) => `"a${i} < 1",`)}]\n`],
    ['two hundred detectors', `[[guard.rule]]\nname = "x"\nwhen = [${times(200, (i) => `"growth > ${i}M/s",`)}]\n`],
    ['two thousand detectors', `[[guard.rule]]\nname = "x"\nwhen = [${times(2_000, (i) => `"growth > ${i}M/s",`)}]\n`],
    ['a thousand rules', times(1_000, (i) => `[[guard.rule]]\nname = "x${i}"\nwhen = ["available < 5 %"]\n`)],
    [
      'a thousand steps',
      `[[guard.rule]]\nname = "x"\nwhen = ["available < 5 %"]\nsteps = [${times(1_000, () => '{ do = "notify" },')}{ do = "kill" }]\n`,
    ],
    ['nested lists', `a = ${'['.repeat(100_000)}`],
    ['closed nested lists', `a = ${'['.repeat(900)}${']'.repeat(900)}\n`],
    ['nested tables', `a = ${'{a='.repeat(50_000)}`],
    ['a dotted key', `${'a.'.repeat(50_000)}a = 1\n`],
    ['comments', '#\n'.repeat(100_000)],
    ['a pattern', `[guard]\nnever = 1\nprotect = [{ comm = "${'(a|'.repeat(20_000)}" }]\n`],
    ['a repeated pattern', `[guard]\nprotect = [{ comm = "((((a{99}){99}){99}){99})" }]\n`],
    [
      'large patterns in many rules',
      times(
        100,
        (i) =>
          `[[guard.rule]]\nname = "${i}"\nwhen = ["available < 5 %"]\nnever = [${times(100, () => '{ comm = "(a{99}){20}" },')}]\n`,
      ),
    ],
    ['many patterns', `[guard]\nprotect = [${times(3_000, (i) => `{ comm = "^a${i}{1,9}$" },`)}]\n`],
  ])(
    '%s',
    async (_, toml) => {
      expect(await timesOrdinary(() => parseConfig(toml, 'f.toml').catch(() => {}))).toBeLessThan(MOST);
    },
    120_000,
  );

  it('and the measure notices a pattern that takes quadratic time', async () => {
    const blanks = `10${' '.repeat(50_000)}%`;
    expect(await timesOrdinary(async () => / +$/.test(blanks))).toBeGreaterThan(MOST);
  });

  it('causes a limited number of reported faults', async () => {
    const faults = await faultsOf(times(1_000, (i) => `key_${i} = 1\n`));
    expect(faults.length).toBeLessThanOrEqual(101);
    expect(faults.at(-1)).toMatch(/more/);
  });

  it('a missing file is reported as missing', async () => {
    await expect(readConfig(join(directory, 'missing.toml'))).rejects.toThrow(/there is no such file/);
  });
});
