import { writeFileSync } from 'node:fs';
import { composeOverride, mebibytes } from '../../../container-watch/compose-override.ts';
import { adviseLimit, type LimitAdvice } from '../../../container-watch/limit-advice.ts';
import { reportOn } from '../../../container-watch/reports.ts';
import { shortId } from '../../../model/container.ts';
import type { ContainerReport } from '../../../model/container-report.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { Paint } from '../../../render/terminal.ts';
import { formatBytes } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';
import { containerName } from '../../../tracer/message.ts';
import { paintFor } from '../../verb/colour.ts';
import { allContainers, pick, socketOption } from '../../verb/container-option.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, optionsHelp, parseWords, text, usage } from '../../verb/options.ts';

const options = {
  compose: flag('print a Compose override instead'),
  output: text('FILE', 'write the Compose override there; a file that exists is left alone'),
  json: flag('a JSON array on stdout'),
  socket: socketOption,
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope docker advise [NAME...] [options]

Memory limits for containers that run, from what was observed since they were started: the peak, what cannot be
reclaimed, limit hits, OOM kills and stalls; with the reasoning, and the line that sets it. Nothing is changed. Without
NAME: all.

${optionsHelp(options)}

The override names services as Compose does (the label com.docker.compose.service), so only containers that Compose
started are in it. Where a service has deploy.resources.limits.memory, set that instead: Compose refuses two limits.

Examples:
  oomscope docker advise web
  oomscope docker advise --output compose.memory.yaml && docker compose -f compose.yaml -f compose.memory.yaml up -d

Exit codes: 0 fine, 1 no such container or FILE exists, 2 bad option, 69 no runtime, 77 not permitted.
`;

interface Advised {
  report: ContainerReport;
  advice: LimitAdvice;
}

export async function run(argv: string[]): Promise<number> {
  const { values: given, words: names } = parseWords('docker advise', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.json && given.compose) throw usage('--json and --compose: expected one of them, got both.');
  const found = await allContainers(given.socket);
  const subjects = names.length > 0 ? pick(found, names) : found.subjects.filter(({ cgroup }) => cgroup !== null);
  const advised: Advised[] = [];
  for (const report of await reportOn(subjects, found.cgroups, 0)) {
    const advice = adviseLimit(report, secondsSince(report.started_at));
    if (advice) advised.push({ report, advice });
    else process.stderr.write(`oomscope: ${nameOf(report)} does not run: nothing to go by.\n`);
  }
  if (advised.length === 0 && names.length === 0) process.stderr.write('oomscope: no container runs here.\n');
  const override = given.compose || given.output !== undefined ? overrideFor(advised) : '';
  if (given.output !== undefined) {
    writeNew(given.output, override);
    process.stderr.write(`oomscope: wrote ${printable(given.output)}.\n`);
  }
  const paint = paintFor(given['no-color']);
  if (given.json) process.stdout.write(`${JSON.stringify(advised.map(asJson), null, 2)}\n`);
  else if (given.compose) process.stdout.write(override);
  else if (advised.length > 0) process.stdout.write(`${advised.map((one) => render(one, paint)).join('\n\n')}\n`);
  return Exit.ok;
}

function render({ report, advice }: Advised, paint: Paint): string {
  const name = nameOf(report);
  const limit = report.memory?.limit_bytes ?? null;
  const colour = { raise: 'red', set: 'yellow', lower: 'green', keep: 'dim' } as const;
  const now = limit === null ? 'no limit' : formatBytes(limit);
  const change =
    advice.change === 'keep' ? `keep ${now}` : `${advice.change} ${now} → ${formatBytes(advice.limit_bytes)}`;
  const sure = advice.confidence === 'low' ? ', not certain' : '';
  const lines = [`${paint('bold', name)}  ${paint(colour[advice.change], change)}${sure}`];
  for (const reason of advice.reasons) lines.push(`  ${reason}`);
  if (advice.change !== 'keep') {
    const size = mebibytes(advice.limit_bytes);
    const command = report.container?.runtime === 'podman' ? 'podman' : 'docker';
    // A name that a shell could take for more than a name is not printed into a command: the id is as good.
    const plain = /^[\w.-]+$/.test(report.container?.name ?? '');
    const target = plain ? name : shortId(report.container?.id ?? '');
    lines.push(`  ${paint('dim', 'now:')}  ${command} update --memory ${size} --memory-swap ${size} ${target}`);
  }
  return lines.join('\n');
}

function overrideFor(advised: readonly Advised[]): string {
  const projects = new Set(advised.map(({ report }) => report.container?.compose_project).filter((one) => one != null));
  if (projects.size > 1) {
    const list = [...projects].map((project) => printable(project)).join(', ');
    throw usage(`--compose: expected containers of one Compose project, got those of ${list}: name the containers.`);
  }
  const services = advised.flatMap(({ report, advice }) => {
    const service = report.container?.compose_service;
    if (service == null) process.stderr.write(`oomscope: ${nameOf(report)} was not started by Compose: left out.\n`);
    return service == null ? [] : [{ service, container: nameOf(report), advice }];
  });
  if (services.length === 0) throw usage('--compose: expected at least one container that Compose started, got none.');
  return composeOverride(services);
}

/** @throws OomscopeError OUTPUT */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'it exists, and is left alone: name another, or remove it first' : message;
    throw new OomscopeError('OUTPUT', `--output ${printable(path)}: ${why}.`);
  }
}

const asJson = ({ report, advice }: Advised) => ({ container: report.container, memory: report.memory, advice });
const nameOf = ({ container }: ContainerReport) =>
  container === null ? '?' : container.name === null ? containerName(container) : printable(container.name);
const secondsSince = (date: string | null) =>
  date === null || Number.isNaN(Date.parse(date)) ? null : Math.max(0, (Date.now() - Date.parse(date)) / 1000);
