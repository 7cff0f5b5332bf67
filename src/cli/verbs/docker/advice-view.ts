/** Writes advice about limits as text, or as a Compose override. */
import { composeOverride, mebibytes } from '../../../container-watch/compose-override.ts';
import type { LimitAdvice } from '../../../container-watch/limit-advice.ts';
import { shortId } from '../../../model/container.ts';
import type { ContainerReport } from '../../../model/container-report.ts';
import type { Paint } from '../../../render/paint.ts';
import { formatBytes } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';
import { containerName } from '../../../tracer/message.ts';
import { usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';

export interface Advised {
  report: ContainerReport;
  advice: LimitAdvice;
}

export function renderAdvice({ report, advice }: Advised, paint: Paint): string {
  const name = nameOf(report);
  const limit = report.memory?.limit_bytes ?? null;
  const colour = { raise: 'red', set: 'yellow', lower: 'green', keep: 'dim' } as const;
  const now = limit === null ? 'no limit' : formatBytes(limit);
  const change =
    advice.change === 'keep' ? `keep ${now}` : `${advice.change} ${now} → ${formatBytes(advice.limit_bytes)}`;
  const sure = advice.confidence === 'low' ? ', not certain' : '';
  const lines = [`${paint('bold', name)}  ${paint(colour[advice.change], change)}${sure}`];
  for (const reason of advice.reasons) lines.push(`  ${reason}`);
  if (advice.change !== 'keep') lines.push(`  ${paint('dim', 'now:')}  ${commandFor(report, advice)}`);
  return lines.join('\n');
}

/**
 * How to set the limit: through the program that manages the container, because it undoes changes by other programs.
 */
function commandFor({ container, pod, memory }: ContainerReport, { limit_bytes }: LimitAdvice): string {
  const size = mebibytes(limit_bytes);
  if (pod) {
    const owner =
      pod.name === null ? `pod ${pod.uid}` : `pod ${printable(pod.namespace ?? '?')}/${printable(pod.name)}`;
    return `in the manifest of ${owner}: resources.limits.memory: ${size.toUpperCase()}i`;
  }
  const { runtime = null, name = null, id = '' } = container ?? {};
  // A name with characters that a shell interprets is not printed in a command; the id names the same container.
  const target = name !== null && /^[\w.-]+$/.test(name) ? name : shortId(id);
  if (runtime === 'docker' || runtime === 'podman') {
    return `${runtime} update --memory ${size} --memory-swap ${size} ${target}`;
  }
  const file = memory?.cgroup_version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
  return `set the limit ${size} where the container is defined; to change it until its next start, write to ${file} of ${printable(memory?.cgroup ?? '?')}`;
}

/** @throws OomscopeError USAGE: the containers belong to several Compose projects, or to none */
export function overrideFor(advised: readonly Advised[]): string {
  const projects = new Set(advised.map(({ report }) => report.container?.compose_project).filter((one) => one != null));
  if (projects.size > 1) {
    const list = [...projects].map((project) => printable(project)).join(', ');
    throw usage(`--compose: expected containers of one Compose project, got those of ${list}: name the containers.`);
  }
  const services = advised.flatMap(({ report, advice }) => {
    const service = report.container?.compose_service;
    if (service == null) tell(`${nameOf(report)} was not started by Compose: left out.`);
    return service == null ? [] : [{ service, container: nameOf(report), advice }];
  });
  if (services.length === 0) throw usage('--compose: expected at least one container that Compose started, got none.');
  return composeOverride(services);
}

export function nameOf({ container }: ContainerReport): string {
  if (container === null) return '?';
  return container.name === null ? containerName(container) : printable(container.name);
}
