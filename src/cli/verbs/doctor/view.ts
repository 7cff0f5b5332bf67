/** What `oomscope doctor` found, as text. */
import { atLeast, type Diagnosis } from '../../../doctor/diagnose.ts';
import { areas, type Finding, type Severity } from '../../../doctor/finding.ts';
import type { Paint } from '../../../render/paint.ts';
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

export function renderDiagnosis({ can_trace, findings, hooks }: Diagnosis, all: boolean, paint: Paint): string {
  const parts = areas.flatMap((area) => {
    const own = findings.filter((finding) => finding.area === area);
    if (own.length === 0) return [];
    const hookLines = area === 'tracing' && hooks.length > 0 ? [hookSummary(hooks, all, paint)] : [];
    return [[paint('bold', titles[area]), ...own.map((finding) => renderFinding(finding, all, paint)), ...hookLines]];
  });
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const verdict = can_trace ? paint('green', 'Tracing works here.') : paint('red', 'Tracing does not work here.');
  const rest = `${count('critical')} critical, ${count('warning')} warnings.`;
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n\n${verdict} ${rest}\n`;
}

const INDENT = ' '.repeat(11);

function renderFinding({ name, severity, found, reason, remedy }: Finding, all: boolean, paint: Paint): string {
  const [colour, word] = marks[severity];
  const tell = all || atLeast(severity, 'warning');
  const lines = [`  ${paint(colour, word.padEnd(8))} ${printable(name)}: ${printable(found)}`];
  if (reason !== null && tell) lines.push(...wrap(printable(reason)).map((line) => `${INDENT}${line}`));
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

/** Words in lines of a width that fits most terminals. */
function wrap(text: string, width = 100 - INDENT.length): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
