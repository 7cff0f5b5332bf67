/** Writes the file of rules for Prometheus. */
import { type AlertingRule, alertingRules, recordingRules } from './alerting-rules.ts';

/**
 * The rules as YAML. Strings are written as JSON, which YAML contains.
 *
 * @param runbooks where the runbooks are: a URL or a path, without a slash at the end
 */
export function rulesText(runbooks = 'docs/runbooks'): string {
  return [
    '# Rules of oomscope for Prometheus: rule_files in prometheus.yml. `oomscope metrics rules` prints this file.',
    'groups:',
    '- name: oomscope.records',
    '  rules:',
    ...recordingRules.flatMap(({ name, expr }) => [`  - record: ${name}`, `    expr: ${JSON.stringify(expr)}`]),
    '- name: oomscope.alerts',
    '  rules:',
    ...alertingRules.flatMap((rule) => alertLines(rule, runbooks)),
    '',
  ].join('\n');
}

function alertLines(
  { name, expr, for: lasting, severity, summary, description }: AlertingRule,
  runbooks: string,
): string[] {
  return [
    `  - alert: ${name}`,
    `    expr: ${JSON.stringify(expr)}`,
    ...(lasting === undefined ? [] : [`    for: ${lasting}`]),
    '    labels:',
    `      severity: ${severity}`,
    '    annotations:',
    `      summary: ${JSON.stringify(summary)}`,
    `      description: ${JSON.stringify(description)}`,
    `      runbook_url: ${JSON.stringify(`${runbooks}/${name}.md`)}`,
  ];
}
