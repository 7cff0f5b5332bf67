/**
 * Advice as a Compose override: a file that is read on top of compose.yaml and changes nothing else. Every string is quoted
 * as in JSON, which YAML is a superset of, so that no name can be anything but a name.
 */
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import type { LimitAdvice } from './limit-advice.ts';

export interface ServiceAdvice {
  service: string;
  container: string;
  advice: LimitAdvice;
}

export function composeOverride(services: readonly ServiceAdvice[]): string {
  const lines = ['# Advised by oomscope. Read with: docker compose -f compose.yaml -f THIS_FILE up -d', 'services:'];
  for (const [service, { container, advice }] of largest(services)) {
    lines.push(`  # ${comment(container)}:`, ...advice.reasons.map((reason) => `  #   ${comment(reason)}`));
    lines.push(`  ${JSON.stringify(service)}:`);
    lines.push(`    mem_limit: ${mebibytes(advice.limit_bytes)}  # ${formatBytes(advice.limit_bytes)}`);
    lines.push(`    mem_reservation: ${mebibytes(advice.reservation_bytes)}  # a soft limit, no guarantee`);
    lines.push(`    memswap_limit: ${mebibytes(advice.limit_bytes)}  # as mem_limit: no swap`);
  }
  return `${lines.join('\n')}\n`;
}

/** Replicas of one service have one limit: that of the one that needs most. */
function largest(services: readonly ServiceAdvice[]): Map<string, ServiceAdvice> {
  const found = new Map<string, ServiceAdvice>();
  for (const one of services) {
    const other = found.get(one.service);
    if (!other || one.advice.limit_bytes > other.advice.limit_bytes) found.set(one.service, one);
  }
  return found;
}

/** "96m", as Compose and `docker update` take it: mebibytes there. */
export const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)}m`;

/** Nothing in it can end the line. */
const comment = (text: string) => printable(text);
