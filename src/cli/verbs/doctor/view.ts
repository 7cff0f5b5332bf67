/** Writes the findings of `oomscope doctor` as text. */
import { atLeast, type Diagnosis } from '../../../doctor/diagnose.ts';
import { areas, type Finding, type Severity } from '../../../doctor/finding.ts';
import type { Paint } from '../../../render/paint.ts';
import { hanging } from '../../../render/wrap.ts';
import { printable } from '../../../text/printable.ts';

const marks: Record<Severity, ['green' | 'yellow' | 'red' | 'dim', string]> = {
  ok: ['green', 'ok'],
  info: ['dim', '·'],
  unknown: ['dim', '?'],
  warning: ['yellow', 'warning'],
  missing: ['red', 'missing'],
  critical: ['red', 'CRITICAL'],
};

const titles: Record<(typeof areas)[number], string> = {
  tracing: 'Tracing',
  kernel: 'Kernel settings',
  memory: 'Memory',
  cgroups: 'Cgroups',
  protection: 'Protection',
  killers: 'Early killers',
};

export interface DiagnosisView {
  /** Show every finding with its reason, and show each hook. */
  all: boolean;
  columns: number;
  paint: Paint;
}

export function renderDiagnosis({ can_trace, findings, hooks }: Diagnosis, view: DiagnosisView): string {
  const { all, paint } = view;
  const parts = areas.flatMap((area) => {
    const own = findings.filter((finding) => finding.area === area);
    if (own.length === 0) return [];
    const hookLines = area === 'tracing' && hooks.length > 0 ? [hookSummary(hooks, all, paint)] : [];
    return [[paint('bold', titles[area]), ...own.map((finding) => renderFinding(finding, view)), ...hookLines]];
  });
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const verdict = can_trace ? paint('green', 'Tracing works here.') : paint('red', 'Tracing does not work here.');
  const warnings = count('warning');
  const rest = `${count('critical')} critical, ${warnings} warning${warnings === 1 ? '' : 's'}.`;
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n\n${verdict} ${rest}\n`;
}

const INDENT = ' '.repeat(11);

function renderFinding({ name, severity, found, reason, remedy }: Finding, view: DiagnosisView): string {
  const { all, columns, paint } = view;
  const [colour, word] = marks[severity];
  const explain = all || atLeast(severity, 'warning');
  const head = hanging(printable(`${name}: ${found}`), columns, INDENT.length);
  const lines = [`  ${paint(colour, word.padEnd(8))} ${head}`];
  if (reason !== null && explain) lines.push(`${INDENT}${hanging(printable(reason), columns, INDENT.length)}`);
  // A remedy is never wrapped, because it may be a command that users copy.
  if (remedy !== null) lines.push(`${INDENT}${paint('bold', `→ ${printable(remedy)}`)}`);
  return lines.join('\n');
}

function hookSummary(hooks: Diagnosis['hooks'], all: boolean, paint: Paint): string {
  if (all) {
    const rows = hooks.map(({ hook, backend, reason }) => {
      const by = backend === 'none' ? paint('dim', 'none'.padEnd(10)) : backend.padEnd(10);
      return `${INDENT}${hook.padEnd(20)} ${by} ${printable(reason)}`;
    });
    return rows.join('\n');
  }
  const counts = new Map<string, number>();
  for (const { backend } of hooks) counts.set(backend, (counts.get(backend) ?? 0) + 1);
  const list = [...counts].map(([backend, number]) => `${number} ${backend}`).join(', ');
  return `  ${paint('green', 'ok'.padEnd(8))} hooks: ${list} (--all names them)`;
}
