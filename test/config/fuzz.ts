/** Damages configurations at random, reproducibly by seed, and reads them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../src/config/config.ts';
import { parseProfiles } from '../../src/config/profiles.ts';
import { writeConfig } from '../../src/config/write.ts';
import { OomscopeError } from '../../src/model/error.ts';
import { seeded } from '../seeded.ts';

const full = readFileSync(join(import.meta.dirname, '../fixtures/config/full.toml'), 'utf8');
const sinks = `[trace]
ring = "512K"
candidates = "always"
[[alert]]
sink = "webhook"
target = "https://example.org/a?b=c"
key_env = "KEY"
spool = "/var/lib/x"
spool_size = "8M"
timeout = "5s"
[[alert]]
sink = "exec"
target = "/bin/true"
args = ["--a", "b c"]
every = "30s"
[[alert]]
sink = "file"
target = "/var/log/x.jsonl"
keep = 3
[output]
events = ["oom.*", "pressure.l?vel"]
`;
const profiles = `[[profile]]
name = "backup"
oom_score_adj = 800
oom_policy = "stop"
unit = ["borg.service", "restic.service"]
exe = "/usr/bin/borg"
comm = "a b"
`;

/** Text that tends to break parsers: brackets, quotes, escapes, large numbers, values of other types. */
const pieces = [
  ...[
    '[',
    ']',
    '[[',
    ']]',
    '{',
    '}',
    '"',
    "'",
    '"""',
    "'''",
    '\\',
    '\\u005d',
    '\\U0010ffff',
    '\\x00',
    '#',
    '=',
    '.',
    ',',
  ],
  ...[
    '\n',
    '\r\n',
    '\t',
    ' ',
    '\0',
    '\x1b',
    '\u202e',
    '\u2028',
    '\ud800',
    '😀',
    '-',
    '+',
    '_',
    '0x',
    '1e999',
    'inf',
    'nan',
  ],
  ...[
    'true',
    '9'.repeat(400),
    '1979-05-27T07:32:00Z',
    '[guard]',
    '[[guard.rule]]',
    'guard.rule = 1',
    '"a\\u005d" = 1\n',
  ],
  ...[
    '__proto__ = 1\n',
    'constructor',
    '%',
    ' for 1h',
    '<=',
    'M/s',
    '(a{99}){20}',
    '((((',
    'a = [[[[[[[[',
    '"0s"',
    '"9999999d"',
  ],
];

export interface FuzzFigures {
  seed: number;
  files: number;
  /** Number of damaged files that were still valid. */
  right: number;
  slowestCpuMs: number;
}

/** @throws Error with the seed and the file that made the reader fail */
export async function fuzz(seed: number, files: number): Promise<FuzzFigures> {
  const next = seeded(seed);
  const figures: FuzzFigures = { seed, files, right: 0, slowestCpuMs: 0 };
  for (let i = 0; i < files; i++) {
    const source = [full, sinks, profiles][Math.floor(next() ** 2 * 3)] as string;
    const toml = damage(source, next).toWellFormed(); // a file is UTF-8
    const read = source === profiles ? readProfilesOf : readConfigOf;
    try {
      let ms = await cpuMs(() => read(toml));
      // measured again, because garbage collection may have taken the time
      for (let again = 0; ms > 100 && again < 3; again++) ms = Math.min(ms, await cpuMs(() => read(toml)));
      if (ms > 100) throw new Error(`took ${ms} ms of CPU`);
      figures.slowestCpuMs = Math.max(figures.slowestCpuMs, ms);
      if (await read(toml)) figures.right++;
    } catch (error) {
      throw new Error(`seed ${seed}, file ${i}: ${(error as Error).stack}\n${JSON.stringify(toml)}`);
    }
  }
  return figures;
}

/** True when the text is a valid configuration. */
async function readConfigOf(toml: string): Promise<boolean> {
  const config = await parseConfig(toml, 'f.toml').catch(checkFaults);
  if (!config) return false;
  const written = writeConfig(config);
  const again = await parseConfig(written, 'g.toml');
  if (writeConfig(again) !== written) throw new Error('is not written as it was read');
  return true;
}

const readProfilesOf = async (toml: string) => (await parseProfiles(toml, 'f.toml').catch(checkFaults)) !== undefined;

function checkFaults(error: unknown): undefined {
  if (!(error instanceof OomscopeError) || error.code !== 'CONFIG') throw error;
  const lines = error.message.split('\n');
  if (lines.length < 2 || lines.length > 102) throw new Error(`${lines.length} lines: ${error.message}`);
  if (lines.some((line) => /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(line)))
    throw new Error(`not printable: ${error.message}`);
  if (lines.slice(1, 100).some((line) => !/^f\.toml:\d+: \S/.test(line))) throw new Error(`no line: ${error.message}`);
}

async function cpuMs(act: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Makes one to many changes, but mostly few, so that many files get past the parser. */
function damage(text: string, next: () => number): string {
  const pick = (limit: number) => Math.floor(next() * limit);
  let damaged = text;
  for (let changes = 1 + Math.floor(next() ** 3 * 20); changes > 0; changes--) {
    const at = pick(damaged.length + 1);
    const length = Math.floor(next() ** 3 * 60);
    const piece = pieces[pick(pieces.length)] as string;
    const from = pick(damaged.length + 1);
    const inserted = [
      piece,
      '',
      damaged.slice(from, from + length * 4),
      piece.repeat(1 + pick(50)),
      damaged.slice(from, from + length),
    ];
    damaged = damaged.slice(0, at) + inserted[pick(inserted.length)] + damaged.slice(at + (next() < 0.5 ? 0 : length));
  }
  return damaged;
}
