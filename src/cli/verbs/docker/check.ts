import { reportOn } from '../../../container-watch/reports.ts';
import { renderReport, renderTable } from '../../../render/container-report.ts';
import { paintFor } from '../../verb/colour.ts';
import { allContainers, pick, socketOption } from '../../verb/container-option.ts';
import { Exit } from '../../verb/exit.ts';
import { duration, flag, optionsHelp, parseWords, usage } from '../../verb/options.ts';

const options = {
  all: flag('all containers, also those that have ended'),
  sample: duration('TIME', 'watch growth for so long (1s)'),
  json: flag('a JSON array on stdout'),
  socket: socketOption,
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope docker check [NAME...] [options]

How near containers are to their limits: whose limit will be hit first, what is in use, what of it can be reclaimed,
the peak, growth, and how often the limit was hit. Without NAME a table of those that run, the fullest first.

NAME: a name, the start of an id, or a pattern with * and ?.

In the table: USED as \`docker stats\` counts, without file pages that go first. HELD: share of the limit that cannot be
reclaimed. PEAK: the most it ever had, file pages included. HITS: how often usage met the limit, which the page cache
alone can do. KILLS: processes OOM-killed. SOME: share of the last ten seconds in which some task waited for memory.

${optionsHelp(options)}

Examples:
  oomscope docker check
  oomscope docker check web db
  oomscope docker check --all --json | jq '.[] | select(.oom_killed) | .container.name'

Without a socket, or without the right to it, containers are found by their cgroups and known by their ids. Exit
codes: 0 fine, 1 no such container, 2 bad option; where no container's cgroup is there either, 69 no runtime, 77 its
socket is not permitted.
`;

export async function run(argv: string[]): Promise<number> {
  const { values: given, words: names } = parseWords('docker check', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.all && names.length > 0) throw usage(`--all and "${names[0]}": expected one of them, got both.`);
  const found = await allContainers(given.socket);
  const subjects =
    names.length > 0 ? pick(found, names) : found.subjects.filter(({ cgroup }) => given.all || cgroup !== null);
  const reports = await reportOn(subjects, found.cgroups, given.sample ?? 1000);
  const paint = paintFor(given['no-color']);
  const columns = process.stdout.columns ?? 200;
  if (given.json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
  else if (names.length > 0) process.stdout.write(`${reports.map((one) => renderReport(one, paint)).join('\n\n')}\n`);
  else if (reports.length > 0) process.stdout.write(`${renderTable(reports, paint, columns)}\n`);
  else
    process.stderr.write(
      `oomscope: no container runs here${found.subjects.length > 0 ? '; --all lists those that have ended' : ''}.\n`,
    );
  return Exit.ok;
}
