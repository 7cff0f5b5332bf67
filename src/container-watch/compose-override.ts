/**
 * Writes advice as a Compose override, a file that Compose reads in addition to compose.yaml. Strings are quoted as
 * JSON strings, which YAML also accepts, so that no name can change the structure of the file.
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
    lines.push(`    mem_reservation: ${mebibytes(advice.reservation_bytes)}  # a soft limit, not a guarantee`);
    lines.push(`    memswap_limit: ${mebibytes(advice.limit_bytes)}  # equal to mem_limit: no swap`);
  }
  return `${lines.join('\n')}\n`;
}

/** The replicas of a service share one limit, so the advice with the highest limit is used for each service. */
function largest(services: readonly ServiceAdvice[]): Map<string, ServiceAdvice> {
  const found = new Map<string, ServiceAdvice>();
  for (const one of services) {
    const other = found.get(one.service);
    if (!other || one.advice.limit_bytes > other.advice.limit_bytes) found.set(one.service, one);
  }
  return found;
}

/** Formats a size such as "96m". Compose and `docker update` read "m" as mebibytes. */
export const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)}m`;

/** Escapes control characters, so that the text of a comment cannot end its line. */
const comment = (text: string) => printable(text);
