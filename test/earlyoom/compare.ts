/** Runs a command line with the real earlyoom and with oomscope, and compares what both write, and how they end. */
import { spawn } from 'node:child_process';
import type { CommandLine } from './command-lines.ts';

/** How a command line ended, with figures and names that differ from run to run replaced. */
export interface Outcome {
  /** undefined: it went on until it was stopped. */
  exit: number | string | undefined;
  stdout: string[];
  stderr: string[];
}

/** The longest that a start may take on a busy machine (ms). */
const PATIENCE_MS = 20_000;
/** How long one that writes no status line is given to write more on stderr (ms). */
const GRACE_MS = 300;

/** Runs until the first status line, or until the first reaction where the thresholds are reached. */
async function runEarlyoom(command: readonly string[], line: CommandLine): Promise<Outcome> {
  const [file = '', ...rest] = command;
  const child = spawn(file, [...rest, '--dryrun', ...line.argv], {
    argv0: 'earlyoom',
    // A process group of its own: oomscope never signals its own group, which the victim of a dry run may be in.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  const said = { stdout: '', stderr: '' };
  let stopping: NodeJS.Timeout | undefined;
  const stop = (ms: number) => {
    stopping ??= setTimeout(() => child.kill('SIGKILL'), ms);
  };
  const limit = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const look = () => {
    if (line.fires) {
      if (/not actually sending|Could not find a process[\s\S]*low memory/.test(said.stderr)) stop(0);
    } else if (/^mem avail: .*\n/m.test(said.stdout) && (!isDebug(line) || /adaptive sleep/.test(said.stdout))) stop(0);
    else if (/SIGKILL when .*\n/.test(said.stderr) && noReports(line)) stop(GRACE_MS);
  };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
      look();
    });
  }
  const exit = await new Promise<Outcome['exit']>((resolve) =>
    child.once('close', (code, signal) => resolve(signal === 'SIGKILL' ? undefined : (code ?? signal ?? undefined))),
  );
  clearTimeout(stopping);
  clearTimeout(limit);
  return { exit, stdout: normal(said.stdout, line), stderr: normal(said.stderr, line) };
}

/** With these no status line is written, or it goes to syslog. */
const noReports = ({ argv }: CommandLine) =>
  argv.includes('--syslog') ||
  argv.some((word, i) => word === '-r=0' || (argv[i - 1] === '-r' && /^-?(0|x|)$/.test(word)));
const isDebug = ({ argv }: CommandLine) => argv.some((word) => word === '-d' || word === '--debug' || word === '-gdn');

/** Lines in which memory, processes and times, which change, are replaced. Repeated rows of a table are one row. */
function normal(text: string, { fires }: CommandLine): string[] {
  // Where the thresholds are reached, only the first reaction: how many there are depends on when it is stopped.
  const end = text.includes('not actually sending') ? /(?<=not actually sending any signal\n)/ : /(?<=low memory.*\n)/;
  const first = fires ? text.split(end)[0] : text;
  const lines = (first ?? '')
    .replace(/^earlyoom v.*$/gm, 'earlyoom vVERSION')
    .replace(/mem avail: .*/g, (line) => line.replace(/[ \d]\d{0,4}(?= of| MiB)|[\d.]+(?=%)/g, '#'))
    .replace(/mem total: .*/g, (line) => line.replace(/[ \d]{4,}(?= MiB)/g, '#'))
    .replace(
      /to process \d+ uid \d+ ".*": oom_score -?\d+,( oom_score_adj -?\d+,)? VmRSS \d+ MiB, cmdline ".*"/g,
      'to process …:$1 …',
    )
    .replace(/^.*(<--- new victim)?$/gm, (line) => line.replace(/^ *\d+ +-?\d+ +-?\d+ +-?\d+ +-?\d+ "[^"]*"/, 'ROW'))
    .replace(/^(is_larger|fill_informative_fields|parse_proc_pid_stat|get_\w+): .*\n/gm, '') // processes that start or end meanwhile

    .replace(/^pid +\d+: badness .*$/gm, 'ROW')
    .replace(/took [\d.]+ ms/g, 'took # ms')
    .replace(/sleep time: \d+ ms/g, 'sleep time: # ms')
    .replace(fires ? /^adaptive sleep.*\n/gm : /$^/, '');
  const all = lines.split('\n').map((line, i, { length }) => (i < length - 1 ? `${line}\\n` : line));
  const rows = new Set<string>();
  return all.filter((line) => line !== '' && (!line.startsWith('ROW') || (!rows.has(line) && rows.add(line))));
}

/**
 * Runs a command line with both programs. A difference that comes from other processes of the machine, which begin and
 * end meanwhile, is not there the next time: one that is meant to count must show three times.
 *
 * @returns how the real program ended, and the differences
 */
export async function compareEarlyoom(real: readonly string[], ours: readonly string[], line: CommandLine) {
  for (let runs = 1; ; runs++) {
    const [theirs, own] = await Promise.all([runEarlyoom(real, line), runEarlyoom(ours, line)]);
    const found = differences(theirs, own);
    if (found.length === 0 || runs === 3) return { theirs, found };
  }
}

/** A difference: the lines of one stream that only the real program writes, and those that only the other one writes. */
export interface Difference {
  what: 'exit status' | 'stdout' | 'stderr';
  theirs: string[];
  ours: string[];
}

/** What differs between two outcomes; an empty list: both are the same. */
function differences(real: Outcome, ours: Outcome): Difference[] {
  const found: Difference[] = [];
  if (real.exit !== ours.exit)
    found.push({ what: 'exit status', theirs: [shown(real.exit)], ours: [shown(ours.exit)] });
  for (const stream of ['stdout', 'stderr'] as const) {
    const [theirs, own] = [real[stream], ours[stream]];
    if (theirs.join('') === own.join('')) continue;
    const only = (these: string[], others: string[]) => these.filter((line) => !others.includes(line));
    const [missing, more] = [only(theirs, own), only(own, theirs)];
    const reordered = missing.length === 0 && more.length === 0;
    found.push({ what: stream, theirs: reordered ? theirs : missing, ours: reordered ? own : more });
  }
  return found;
}

const shown = (exit: Outcome['exit']) => String(exit ?? 'none');
