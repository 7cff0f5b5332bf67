/**
 * Runs proofs, which are checks that take too long for the tests. A proof has parts. The result of each finished part
 * is kept, so that a stopped proof continues where it was stopped, as long as the sources are the same.
 *
 *   npm run prove:NAME -- [--fresh] [--part PART]... [--write]
 *
 * --fresh forgets finished parts. --part runs only these parts. --write puts the result into docs/proofs/NAME.md.
 * Exits 0 when every part that ran has passed, 1 when one has failed, 2 when no part has the given name.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { circumstances } from '../bench/report.ts';
import { cacheDirectory } from '../cache.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCES = ['src', 'bpf', 'native', 'scripts', 'test', 'package-lock.json'];

export interface Part<Figures> {
  name: string;
  /** Runs the part. @throws an error that says why the claim does not hold */
  run: () => Promise<Figures>;
}

export interface Finished<Figures> {
  name: string;
  /** When the part ended, in ISO 8601. */
  date: string;
  seconds: number;
  figures: Figures | null;
  /** Why the part failed. null: the part passed. */
  failure: string | null;
}

export interface Proof<Figures> {
  name: string;
  /** What the proof shows, in one or two sentences. */
  claim: string;
  parts: readonly Part<Figures>[];
  /** Writes the figures as a table or as sentences, for people. */
  render: (parts: readonly Finished<Figures>[]) => string;
}

/** The options of every proof, for parseArgs(). */
export const proofOptions = {
  fresh: { type: 'boolean' },
  part: { type: 'string', multiple: true },
  write: { type: 'boolean' },
} as const;

/** Runs the parts that are not finished, one after another, prints the result and sets the exit code. */
export async function prove<Figures>(
  proof: Proof<Figures>,
  values: { fresh?: boolean; part?: string[]; write?: boolean } = parseArgs({ options: proofOptions }).values,
): Promise<void> {
  const names = proof.parts.map(({ name }) => name);
  const unknown = values.part?.find((part) => !names.includes(part));
  if (unknown !== undefined) {
    say(`--part ${unknown} names no part of prove:${proof.name}; its parts are: ${names.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  const wanted = proof.parts.filter(({ name }) => values.part?.includes(name) ?? true);
  const kept = join(cacheDirectory('proofs'), proof.name, sourcesHash());
  if (values.fresh) rmSync(kept, { recursive: true, force: true });
  mkdirSync(kept, { recursive: true });

  const finished: Finished<Figures>[] = [];
  for (const part of wanted) {
    const file = join(kept, `${part.name.replace(/[^\w.-]/g, '_')}.json`);
    const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Finished<Figures>) : undefined;
    const result = before?.failure === null ? before : await run(part);
    if (result !== before) keep(file, result);
    say(`${part.name}: ${result.failure ?? 'passed'}, ${result.seconds} s${result === before ? ' (kept)' : ''}`);
    finished.push(result);
  }

  const good = finished.every(({ failure }) => failure === null);
  const failures = finished.flatMap(({ name, failure }) => (failure === null ? [] : [`${name}: ${failure}\n`]));
  const text = `${proof.render(finished)}${failures.join('')}`;
  process.stdout.write(text);
  if (values.write) write(proof, finished, text, good);
  process.exitCode = good ? 0 : 1;
}

async function run<Figures>({ name, run }: Part<Figures>): Promise<Finished<Figures>> {
  say(`${name} begins`);
  const begin = performance.now();
  const done = (figures: Figures | null, failure: string | null) => ({
    name,
    date: new Date().toISOString(),
    seconds: Math.round((performance.now() - begin) / 1000),
    figures,
    failure,
  });
  try {
    return done(await run(), null);
  } catch (error) {
    return done(null, (error as Error).stack ?? String(error));
  }
}

function write<Figures>(proof: Proof<Figures>, finished: Finished<Figures>[], text: string, good: boolean): void {
  const { commit, kernel, cpu, cpus, node } = circumstances();
  const date = finished.map((part) => part.date).sort()[0] ?? '';
  const page = [
    `# Proof: ${proof.name}`,
    '',
    proof.claim,
    '',
    `\`npm run prove:${proof.name}\`, begun ${date.slice(0, 10)}, commit ${commit}: ${good ? 'passed' : 'FAILED'}.`,
    `Linux ${kernel}, ${cpus} CPUs (${cpu}), Node ${node}.`,
    '',
    '```',
    text.trimEnd(),
    '```',
    '',
  ];
  const file = join(ROOT, 'docs/proofs', `${proof.name}.md`);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, page.join('\n'));
  say(`wrote ${file}`);
}

function keep(file: string, result: object): void {
  writeFileSync(`${file}.new`, JSON.stringify(result));
  renameSync(`${file}.new`, file);
}

/** A hash of the files on which a proof depends. It includes files that are not committed. */
function sourcesHash(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, maxBuffer: 2 ** 28 });
  const hash = createHash('sha256').update(git('ls-files', '-s', ...SOURCES));
  return hash
    .update(git('diff', 'HEAD', '--', ...SOURCES))
    .digest('hex')
    .slice(0, 16);
}

function say(sentence: string): void {
  process.stderr.write(`prove: ${sentence}\n`);
}
