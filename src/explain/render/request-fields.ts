/** The fields of the request that failed, of the kernel and of the machine. */
import type { OomReport } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { architectureOf, distributionOf } from '../glossary/release.ts';
import { CONSTRAINTS, meaningOfAdj, meaningOfGfp, meaningOfOrder } from '../glossary/request.ts';
import { meaningOfTaint } from '../glossary/taints.ts';
import { type Field, type FieldGroup, plainField, size } from './field.ts';

export function requestFields(report: OomReport): FieldGroup[] {
  return [
    { title: 'Request', fields: request(report) },
    { title: 'Scope', fields: scope(report) },
    { title: 'Kernel and machine', fields: machine(report) },
    { title: 'Kernel stack, innermost function first', fields: stack(report) },
  ];
}

function request({ trigger }: OomReport): Field[] {
  if (!trigger) return [];
  const { order, oom_score_adj: adj } = trigger;
  return [
    ...plainField('name', trigger.comm, 'the task whose request invoked the OOM killer; it need not be the victim'),
    ...plainField('pid', trigger.pid, 'its process id'),
    ...plainField('tid', trigger.tid, 'its thread id; the kernel’s log calls it PID'),
    ...plainField('uid', trigger.uid, 'its user id'),
    ...plainField('gfp_mask', trigger.gfp_mask, 'the flags of the request, as a number'),
    ...gfp(trigger.gfp),
    ...plainField('order', order, order === null ? '' : meaningOfOrder(order)),
    ...plainField('oom_score_adj', adj, adj === null ? '' : meaningOfAdj(adj)),
    ...plainField('mems_allowed', trigger.mems_allowed, 'the NUMA nodes that the task may use'),
    ...plainField('cpuset', trigger.cpuset, 'the cpuset of the task'),
    ...plainField('CPU', trigger.cpu, 'the CPU that the task ran on'),
  ];
}

function gfp(names: string | null): Field[] {
  return (names ?? '')
    .split('|')
    .filter((flag) => flag !== '' && flag !== 'none')
    .map((flag) => ({ name: 'flag', value: printable(flag), meaning: meaningOfGfp(flag) ?? 'an unknown flag' }));
}

function scope({ scope: one, nodemask, domain_bytes, cgroup_version }: OomReport): Field[] {
  const [constraint, meaning] = one === null ? [null, ''] : CONSTRAINTS[one];
  return [
    ...plainField('constraint', constraint, meaning),
    ...plainField('nodemask', nodemask, 'the NUMA nodes that the request was bound to'),
    ...size(
      'memory that ran out',
      domain_bytes,
      'RAM and swap, or the limit and swap of the cgroup; oom_score_adj is a share of it',
    ),
    ...plainField('cgroup version', cgroup_version, 'of the hierarchy that has the memory controller'),
  ];
}

function machine({ kernel, taints, hardware, page_bytes, boot_id, panic }: OomReport): Field[] {
  const letters = [...(taints ?? '')].map((letter) => ({
    name: 'taint',
    value: letter,
    meaning: meaningOfTaint(letter) ?? 'an unknown flag',
  }));
  return [
    ...plainField('kernel', kernel, 'the release, as uname -r prints it'),
    ...plainField('distribution', kernel && distributionOf(kernel), 'guessed from the release'),
    ...plainField('architecture', kernel && architectureOf(kernel), 'from the release'),
    ...(taints === '' ? plainField('taint', 'Not tainted', 'no flag is set') : letters),
    ...plainField('hardware', hardware, 'maker, model and firmware'),
    ...plainField('page size', formatBytes(page_bytes), 'the unit in which the kernel counts memory'),
    ...plainField('boot id', boot_id, 'differs after each boot'),
    ...plainField('panic', panic, 'the message with which the kernel stopped'),
  ];
}

function stack({ trigger }: OomReport): Field[] {
  return (trigger?.stack ?? []).map((name, i) => ({ name: String(i + 1), value: `${printable(name)}()`, meaning: '' }));
}
