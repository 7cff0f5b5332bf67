/**
 * Runs the program of an `exec` step without a shell. The program gets the plan in environment variables and as JSON on
 * its standard input. Any user can choose the name of a process, so the program must treat that name as untrusted
 * input.
 */
import { runProgram } from '../../process/program.ts';
import { printable } from '../../text/printable.ts';
import { planText } from './plan-text.ts';
import type { Hook } from './step-tools.ts';

export const hook: Hook = async ([path = '', ...args], plan, signal) => {
  const { id, fired, victim } = plan;
  const { rule, cgroup } = fired;
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    OOMSCOPE_PLAN_ID: id,
    OOMSCOPE_RULE: printable(rule.name),
    OOMSCOPE_CGROUP: printable(cgroup?.path ?? ''),
    OOMSCOPE_PID: String(victim.pid),
    OOMSCOPE_UID: victim.uid === null ? '' : String(victim.uid),
    OOMSCOPE_NAME: printable(victim.comm),
    OOMSCOPE_RSS_BYTES: String(victim.rss_bytes),
  };
  const input = `${planText(plan)}\n`;
  const { outcome, reply } = await runProgram({ path, args, env, input, signal });
  return { outcome: outcome === 'delivered' ? 'done' : 'failed', detail: reply };
};
