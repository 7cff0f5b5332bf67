import { writeFileSync } from 'node:fs';
import { OomscopeError } from '../../../model/error.ts';
import { printable } from '../../../text/printable.ts';
import { type Asked, allContainers, otherUsersOption, pick, socketOption } from '../../verb/container-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, text, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import type { Advised } from './advice-view.ts';

const options = {
  compose: flag('print a Compose override instead'),
  output: text('FILE', 'write the Compose override to this file, which must not exist'),
  socket: socketOption,
  'other-users': otherUsersOption,
};

export const verb = defineVerb({
  description: [
    'Advises memory limits for running containers, and prints the reasons and the command that sets each limit. The advice is based on values observed since the container started: the peak, the memory that cannot be reclaimed, limit hits, OOM kills and stalls. The verb changes nothing. Without NAME it advises for all running containers.',
    'The override names services as Compose does (label com.docker.compose.service), so it contains only containers that Compose started. If a service has deploy.resources.limits.memory, change that value instead: Compose refuses two limits.',
  ],
  words: { name: 'NAME', about: 'the name of a container, a pattern with * and ?, or the start of an id' },
  options,
  format: 'document',
  json: 'write a JSON array with an object for each container',
  examples: [
    { command: 'oomscope docker advise', about: 'Advise limits for all running containers.' },
    {
      command: "oomscope docker advise 'web*' --json | jq '.[].advice.limit_bytes'",
      about: 'Print the limits for some containers.',
    },
    {
      command:
        'oomscope docker advise --output compose.memory.yaml && docker compose \\\n  -f compose.yaml -f compose.memory.yaml up -d',
      about: 'Write a Compose override, and apply it.',
    },
  ],
  exits: {
    ok: true,
    failed: 'there is no such container, or FILE exists',
    usage: true,
    unavailable: 'there is no runtime, and no cgroup of a container',
    noPermission: "the runtime's socket may not be read, and there is no cgroup of a container",
  },
  run,
});

async function run({ given, words: names, asText, paint }: Context<typeof options>): Promise<number> {
  if (!asText && given.compose) throw usage('--json and --compose: expected one of them, got both.');
  const { overrideFor, renderAdvice } = await import('./advice-view.ts');
  const advised = await adviseAll(names, given);
  const override = given.compose || given.output !== undefined ? overrideFor(advised) : '';
  if (given.output !== undefined) {
    writeNew(given.output, override);
    tell(`Wrote ${given.output}.`);
  }
  if (!asText) process.stdout.write(`${JSON.stringify(advised.map(asJson), null, 2)}\n`);
  else if (given.compose) process.stdout.write(override);
  else if (advised.length > 0) {
    process.stdout.write(`${advised.map((one) => renderAdvice(one, paint)).join('\n\n')}\n`);
  }
  return Exit.ok;
}

async function adviseAll(names: readonly string[], asked: Asked): Promise<Advised[]> {
  const [{ reportOn }, { adviseLimit }, { nameOf }] = await Promise.all([
    import('../../../container-watch/reports.ts'),
    import('../../../container-watch/limit-advice.ts'),
    import('./advice-view.ts'),
  ]);
  const found = await allContainers(asked);
  const subjects = names.length > 0 ? pick(found, names) : found.subjects.filter(({ cgroup }) => cgroup !== null);
  const advised: Advised[] = [];
  for (const report of await reportOn(subjects, found.cgroups, 0)) {
    const advice = adviseLimit(report, secondsSince(report.started_at));
    if (advice) advised.push({ report, advice });
    else tell(`${nameOf(report)} does not run, so there are no values to base advice on.`);
  }
  if (advised.length === 0 && names.length === 0) tell('No container is running.');
  return advised;
}

/** @throws OomscopeError OUTPUT */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST'
        ? 'the file exists and is not overwritten: name another file, or remove this one first'
        : message;
    throw new OomscopeError('OUTPUT', `--output ${printable(path)}: ${why}.`);
  }
}

const asJson = ({ report, advice }: Advised) => ({ container: report.container, memory: report.memory, advice });
const secondsSince = (date: string | null) =>
  date === null || Number.isNaN(Date.parse(date)) ? null : Math.max(0, (Date.now() - Date.parse(date)) / 1000);
