import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'smol-toml';
import { describe, expect, it, test } from 'vitest';
import { configSchema, parseConfig } from '../../src/config/config.ts';
import { parseDetector } from '../../src/config/detector.ts';
import { linesOf } from '../../src/config/lines.ts';
import { durationOf, sizeOf } from '../../src/config/shape.ts';
import { writeConfig } from '../../src/config/write.ts';

const faultsOf = (toml: string) =>
  parseConfig(toml, 'f.toml').then(
    () => [],
    (error: Error) => error.message.split('\n').slice(1),
  );

const example = readFileSync(join(import.meta.dirname, '../fixtures/config/full.toml'), 'utf8');

test('reads every setting', async () => {
  const { guard, pressure } = await parseConfig(example, 'full.toml');
  expect(pressure.windows).toEqual([50, 500]);
  expect(guard).toMatchObject({ mode: 'enforce', stateFile: '/run/oomscope/state', realtimePriority: 1 });
  const [first, second] = guard?.policy.rules ?? [];
  expect(first).toMatchObject({
    name: 'nearly out',
    on: [{ kind: 'system' }],
    rank: 'rss',
    unit: 'cgroup',
    minBytes: 32 * 2 ** 20,
    preferences: [
      { points: 300, match: { text: 'comm ^chrome$, uid 1000' } },
      { points: -200, match: { systemdUnit: 'postgresql*.service' } },
    ],
    never: [{ oomScoreAdj: { least: -1000, most: -500 } }],
  });
  expect(first?.steps.map((step) => step.do)).toEqual([
    ...['notify', 'exec', 'reclaim', 'throttle', 'freeze', 'term', 'kill'],
  ]);
  expect(first?.steps[5]).toMatchObject({ waitMs: Number.POSITIVE_INFINITY });
  expect(second?.on).toEqual([{ kind: 'containers' }, { kind: 'cgroup', glob: '/app/*' }]);
});

test('an empty file gives every setting its default, and starts no guard', async () => {
  const config = await parseConfig('', 'f.toml');
  expect(config).toMatchObject({ trace: { enabled: true }, pressure: { windows: [10, 100, 1000] }, guard: undefined });
  const { guard } = await parseConfig('[guard]', 'f.toml');
  expect(guard).toMatchObject({ mode: 'dry_run', policy: { killsPerMinute: 10 } });
  expect(guard?.policy.rules).toHaveLength(4);
});

test('the JSON Schema accepts what the reader accepts', () => {
  const validate = new Ajv2020({ strict: false }).compile(configSchema());
  expect(validate(parse(example)), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ guard: { mod: 'enforce' } })).toBe(false);
  expect(validate({ guard: { rule: [{ name: 'x' }] } })).toBe(false);
});

test('reports all faults at once, each with its line, what was expected, and the nearest spelling', async () => {
  const faulty = `# a comment
[guard]
mod = "enforce"
mode = "inforce"
kills_per_minute = "6"

[[guard.rule]]
name = "a"
when = [
  "availabel <= 10 %",  # three
  "swap_free <= 10 MB/s",
]
prefer = [{ comm = "(a+", points = 0 }]
stepps = []

[[guard.rule]]
name = "b"
when = ["available <= 5 %"]
min_size = "1 Mb/s"
cool_down = "5"
steps = [
  { do = "term", wait = "10" },
  { do = "kil" }, { do = "exec" },
]
[presure]
`;
  expect(await faultsOf(faulty)).toEqual([
    'f.toml:3: guard.mod: there is no such setting. Did you mean "mode"?',
    'f.toml:4: guard.mode: "inforce" is none of the choices. Did you mean "enforce"?',
    'f.toml:5: guard.kills_per_minute: expected a whole number from 1 to 1000, got "6".',
    'f.toml:10: guard.rule[0].when[0]: there is no metric "availabel". Did you mean "available"?',
    'f.toml:11: guard.rule[0].when[1]: expected percent, as in "10 %", or a size, as in "64M", got "10 MB/s" in "swap_free <= 10 MB/s".',
    'f.toml:13: guard.rule[0].prefer[0].comm: expected a regular expression: expected ")" (in "(a+").',
    'f.toml:13: guard.rule[0].prefer[0].points: expected a whole number from 1 to 2000, got 0.',
    'f.toml:14: guard.rule[0].stepps: there is no such setting. Did you mean "steps"?',
    'f.toml:19: guard.rule[1].min_size: expected a size such as "64M" or "1.5G", got "1 Mb/s".',
    'f.toml:20: guard.rule[1].cool_down: expected a time such as "500ms", "10s" or "5m", got "5".',
    'f.toml:22: guard.rule[1].steps[0].wait: expected a time such as "500ms", "10s" or "5m", got "10".',
    'f.toml:23: guard.rule[1].steps[1].do: "kil" is none of the choices. Did you mean "kill"?',
    'f.toml:23: guard.rule[1].steps[2]: expected "command" for a step that does "exec".',
    'f.toml:25: presure: there is no such setting. Did you mean "pressure"?',
  ]);
});

test('finds before the start what the start would refuse, and names each setting once', async () => {
  const faulty = `[history]
path = "history.db"
[metrics]
listen = "127.0.0.1:99999"
textfile = "/tmp/oomscope.txt"
[[alert]]
sink = "pagerduty"
target = "https://events.pagerduty.com/v2/enqueue"
`;
  expect(await faultsOf(faulty)).toEqual([
    'f.toml:2: history.path: expected an absolute path, got "history.db".',
    expect.stringMatching(/^f\.toml:4: metrics\.listen: expected an IP address and a port, /),
    expect.stringMatching(/^f\.toml:5: metrics\.textfile: expected a name that ends in \.prom, /),
    'f.toml:6: alert[0]: expected "routing_key_file" or "routing_key_env", the integration key of the service, got neither.',
  ]);
});

test('gives examples of times that the setting allows', async () => {
  expect(await faultsOf('[history]\nmax_age = "90"\n')).toEqual([
    'f.toml:2: history.max_age: expected a time such as "12h", "90d" or "2w", got "90".',
  ]);
  expect(await faultsOf('[history]\nmax_age = "90s"\n')).toEqual([
    'f.toml:2: history.max_age: expected a time from 1h to 3650d, got "90s".',
  ]);
});

test('reports the line of a TOML syntax error', async () => {
  expect(await faultsOf('[guard]\nmode = enforce\n')).toMatchObject([
    expect.stringMatching(/^f\.toml:2: expected TOML: /),
  ]);
  await expect(parseConfig('a = 1\na = 2', 'f.toml')).rejects.toMatchObject({ code: 'CONFIG' });
});

describe('refuses rules that cannot work', () => {
  const rule = (body: string) => faultsOf(`[[guard.rule]]\nname = "x"\n${body}`);
  it.each([
    ['when = ["available < 0 %"]', '"available < 0 %" can never hold'],
    ['when = ["pressure.some.avg10 > 100 %"]', 'can never hold: the value is from 0 to 100'],
    ['when = ["rounds_left > 16"]', 'from 0 to 16'],
    ['when = ["available < 10 %", "available > 20 %"]', 'can never hold at the same time'],
    ['when = ["available < 10 %", "available >= 10 %"]', 'can never hold at the same time'],
    ['when = ["available <= 100 %"]', 'these conditions always hold'],
    ['when = ["pressure.some.50ms > 10 %"]', 'the windows of [pressure] are 10ms, 100ms, 1000ms'],
    ['when = []', 'a list of at least 1'],
    ['when = ["available < 5 %"]\non = "sytem"', 'expected "system", "containers", "limited", or the path'],
    ['when = ["available < 5 %"]\nnever = [{}]', 'expected at least one of comm'],
    ['when = ["available < 5 %"]\nnever = [{ oom_score_adj = "5..1" }]', 'a range from -1000 to 1000'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "term" }]', 'expected "kill" after "term"'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "freeze" }]', 'frozen processes keep their memory'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "kill" }, { do = "term" }]', 'milder than the step "kill"'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "kill" }, { do = "kill" }]', 'can never be reached'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "term", wait = "never" }, { do = "kill" }]', 'waits for ever'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "term", bytes = "1M" }, { do = "kill" }]', 'belongs to a step'],
    ['when = ["available < 5 %"]\n[[guard.rule]]\nname = "x"\nwhen = ["available < 5 %"]', 'a unique name'],
  ])('%s', async (body, part) => {
    expect((await rule(body)).join('\n')).toContain(part);
  });
  it.each([
    ['when = ["available < 20 %", "available > 10 %"]'],
    ['when = ["available <= 100 %", "swap_free <= 10 %"]'],
    ['when = ["available < 5 %"]\nsteps = [{ do = "notify" }]'],
    [
      'when = ["available < 5 %"]\nsteps = [{ do = "term", wait = "never" }, { do = "kill", at_once = ["available < 2 %"] }]',
    ],
  ])('accepts %s', async (body) => {
    expect(await rule(body)).toEqual([]);
  });
});

describe('units', () => {
  it.each([
    ['64M', 64 * 2 ** 20],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['512', 512],
    ['2kb', 2048],
  ])('%s', (given, bytes) => expect(sizeOf(given)).toBe(bytes));
  it.each(['-1', '1 X', '', 'M', '1e3', '0x10'])('refuses the size %j', (given) => {
    expect(() => sizeOf(given)).toThrow('expected a size');
  });
  it.each([
    ['500ms', 500],
    ['1.5s', 1500],
    ['2 m', 120_000],
    ['1h', 3_600_000],
  ])('%s', (given, ms) => expect(durationOf(given)).toBe(ms));
  it.each(['5', '-1s', 's'])('refuses the time %j', (given) => {
    expect(() => durationOf(given)).toThrow('expected a time');
  });
});

test('reads detectors', () => {
  expect(parseDetector('system.pressure.full.avg10  >  40 %  for 30s')).toEqual({
    text: 'system.pressure.full.avg10 > 40 % for 30s',
    place: 'system',
    metric: { name: 'pressure', share: 'full', over: 'avg10' },
    operator: '>',
    limit: 40,
    unit: 'percent',
    forMs: 30_000,
  });
  expect(parseDetector('growth>=50M/s')).toMatchObject({ unit: 'bytes_per_second', limit: 50 * 2 ** 20 });
  expect(parseDetector('exhausted_in < 10s')).toMatchObject({ unit: 'seconds', limit: 10 });
  expect(parseDetector('available < 64M')).toMatchObject({ unit: 'bytes', limit: 64 * 2 ** 20 });
  expect(parseDetector('pressure.some.250ms > 5%')).toMatchObject({ metric: { over: 250 } });
  for (const wrong of [
    'available',
    'available = 5 %',
    'available < 5',
    'growth > 5 %',
    'toString > 1 %',
    'available < 5 % for ever',
  ]) {
    expect(() => parseDetector(wrong)).toThrow();
  }
});

test('finds the line of each value in the file', () => {
  const line = linesOf(`a = 1 # [b]
"b c" = """
[x]
""" # two lines
[t."u"]
k.l = { m = [ 1,
  2 ], 'n' = '[' }
[[list]]
x = '''
'''
[[list]]
[list.inner]
y = [[1], # ]
 [2]]
`);
  const expected = {
    ...{ a: 1, '"b c"': 2, 't.u': 5, 't.u.k.l.m': 6, 't.u.k.l.m[1]': 7, 't.u.k.l.n': 7 },
    ...{ 'list[0].x': 9, 'list[1]': 11, 'list[1].inner.y': 13, 'list[1].inner.y[1][0]': 14, 'list[1].inner.z': 12 },
    nowhere: 1,
  };
  expect(Object.fromEntries(Object.keys(expected).map((path) => [path, line(path)]))).toEqual(expected);
});

test('reads a configuration that it has written as the same configuration', async () => {
  for (const toml of [example, '', '[guard]\ndefault_protection = false']) {
    const config = await parseConfig(toml, 'a');
    const again = await parseConfig(writeConfig(config), 'b');
    expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(config)));
    expect(writeConfig(again)).toBe(writeConfig(config));
  }
});
