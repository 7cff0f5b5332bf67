import { allContainers, otherUsersOption, pick, socketOption } from '../../verb/container-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, duration, flag, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  all: flag('list all containers, also those that have ended'),
  sample: byDefault('1s', duration('TIME', 'measure growth over this time')),
  socket: socketOption,
  'other-users': otherUsersOption,
};

export const verb = defineVerb({
  description: [
    'Shows how near containers are to their memory limits: which limit will be hit first, how much memory is in use, how much of it can be reclaimed, the peak, the growth, and how often the limit was hit. Without NAME it prints a table of the running containers, the fullest first.',
    "Without access to a runtime's socket, the verb finds containers by their cgroups, and knows only their ids.",
  ],
  words: { name: 'NAME', about: 'the name of a container, a pattern with * and ?, or the start of an id' },
  options,
  format: 'document',
  json: 'write a JSON array with an object for each container',
  sections: [
    {
      title: 'Columns',
      rows: [
        ['USED', 'memory in use as `docker stats` counts it, without the file pages that the kernel takes back first'],
        ['HELD', 'memory that cannot be reclaimed, as a share of the limit'],
        ['PEAK', 'the highest usage since the container started, file pages included'],
        ['HITS', 'how often usage reached the limit; page cache alone can cause this'],
        ['KILLS', 'processes killed by the OOM killer'],
        ['SOME', 'share of the last ten seconds in which at least one task waited for memory'],
      ],
    },
  ],
  examples: [
    { command: 'oomscope docker check', about: 'List the running containers.' },
    { command: "oomscope docker check web 'db-*'", about: 'Show all about some containers.' },
    {
      command: "oomscope docker check --all --json |\n  jq '.[] | select(.oom_killed) | .container.name'",
      about: 'List the containers that their runtime reports as OOM-killed.',
    },
  ],
  exits: {
    ok: true,
    failed: 'there is no such container',
    usage: true,
    unavailable: 'there is no runtime, and no cgroup of a container',
    noPermission: "the runtime's socket may not be read, and there is no cgroup of a container",
  },
  run,
});

async function run({ given, words: names, asText, paint }: Context<typeof options>): Promise<number> {
  if (given.all && names.length > 0) throw usage(`--all and "${names[0]}": expected one of them, got both.`);
  const [{ reportOn }, { renderReport, renderTable }] = await Promise.all([
    import('../../../container-watch/reports.ts'),
    import('../../../render/container-report.ts'),
  ]);
  const found = await allContainers(given);
  const subjects =
    names.length > 0 ? pick(found, names) : found.subjects.filter(({ cgroup }) => given.all || cgroup !== null);
  const reports = await reportOn(subjects, found.cgroups, given.sample ?? 1000);
  const columns = terminalColumns(process.stdout, 200);
  if (!asText) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
  else if (names.length > 0) process.stdout.write(`${reports.map((one) => renderReport(one, paint)).join('\n\n')}\n`);
  else if (reports.length > 0) process.stdout.write(`${renderTable(reports, paint, columns)}\n`);
  else tell(`No container is running${found.subjects.length > 0 ? '; --all lists those that have ended' : ''}.`);
  return Exit.ok;
}
