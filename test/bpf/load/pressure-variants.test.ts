import { expect, test } from 'vitest';
import { choosePressure, type PressureBackend, type PressureFacts } from '../../../src/bpf/load/pressure-variants.ts';

/** The prototypes in the BTF of 5.10 and 7.2. They differ only in arguments that the programs do not read. */
const kernels: Record<string, Record<string, string[]>> = {
  '5.10': {
    mm_vmscan_direct_reclaim_begin: ['int', 'gfp_t'],
    mm_vmscan_direct_reclaim_end: ['long unsigned int'],
    mm_vmscan_memcg_reclaim_begin: ['int', 'gfp_t'],
    mm_vmscan_memcg_reclaim_end: ['long unsigned int'],
    mm_compaction_begin: ['long unsigned int', 'long unsigned int', 'long unsigned int', 'long unsigned int', 'bool'],
    mm_compaction_end: ['long unsigned int'],
    reclaim_retry_zone: [
      'zoneref *',
      'int',
      'long unsigned int',
      'long unsigned int',
      'long unsigned int',
      'int',
      'bool',
    ],
    sched_switch: ['bool', 'task_struct *', 'task_struct *'],
    cgroup_rmdir: ['cgroup *', 'char *'],
    sched_process_exit: ['task_struct *'],
  },
};
kernels['7.2'] = {
  ...kernels['5.10'],
  mm_vmscan_direct_reclaim_begin: ['gfp_t', 'int', 'mem_cgroup *'],
  mm_vmscan_direct_reclaim_end: ['long unsigned int', 'mem_cgroup *'],
  mm_vmscan_memcg_reclaim_begin: ['gfp_t', 'int', 'mem_cgroup *'],
  mm_vmscan_memcg_reclaim_end: ['long unsigned int', 'mem_cgroup *'],
  sched_switch: ['bool', 'task_struct *', 'task_struct *', 'unsigned int'],
  sched_process_exit: ['task_struct *', 'bool'],
};
const all: PressureFacts = { psi: true, fentry: true, kprobe: true, timer: true };

function choose(kernel: string, facts: Partial<PressureFacts>, forced?: PressureBackend) {
  const choices = choosePressure((name) => kernels[kernel]?.[name], { ...all, ...facts }, forced);
  return Object.fromEntries(choices.map(({ hook, backend, program }) => [hook, [backend, program]]));
}

test.each(['5.10', '7.2'])('Linux %s: hooks psi_memstall_*() if functions can be hooked', (kernel) => {
  const by = choose(kernel, {});
  expect(by.memstall_enter).toEqual(['fentry', 'memstall_enter_fentry']);
  expect(by.memstall_leave).toEqual(['fentry', 'memstall_leave_fentry']);
  expect(by.memcg_reclaim_begin).toEqual(['tp_btf', 'memcg_reclaim_begin']);
  expect(by.direct_reclaim_end).toEqual(['none', undefined]); // psi_memstall_leave() reports the end of the stall
  expect(by.memcg_reclaim_end).toEqual(['tp_btf', 'memcg_reclaim_end']); // counts reclaims for the countdown
  expect(by.task_exit).toEqual(['tp_btf', 'task_exit']);
  expect(by.tick).toEqual(['timer', undefined]);
});

test.each(['5.10', '7.2'])('Linux %s: uses tracepoints if functions cannot be hooked', (kernel) => {
  const by = choose(kernel, { fentry: false, kprobe: false });
  expect(by.memstall_enter).toEqual(['none', undefined]);
  expect(by.direct_reclaim_end).toEqual(['tp_btf', 'direct_reclaim_end']);
  expect(by.sched_switch).toEqual(['tp_btf', 'sched_switch']);
});

test('uses kprobes and no timer if fentry is missing', () => {
  const by = choose('7.2', { fentry: false });
  expect(by.memstall_enter).toEqual(['kprobe', 'memstall_enter_kprobe']);
  expect(by.tick?.[0]).toBe('hooks');
});

test('uses tracepoints when PSI is off, because no task then enters a stall', () => {
  expect(choose('7.2', { psi: false }).memstall_enter?.[0]).toBe('none');
});

test('runs the tick from the other hooks if the kernel has no bpf_timer', () => {
  expect(choose('5.10', { timer: false }).tick?.[0]).toBe('hooks');
});

test('uses raw_tp programs if the caller asks for them', () => {
  const by = choose('7.2', {}, 'raw_tp');
  expect(by.memstall_enter?.[0]).toBe('none');
  expect(by.sched_switch).toEqual(['raw_tp', 'sched_switch_raw']);
  expect(by.tick?.[0]).toBe('hooks');
});

test('leaves out a tracepoint that is missing or has an unknown prototype, and says why', () => {
  const { sched_switch: _, ...without } = kernels['7.2'] ?? {};
  const prototypes = { ...without, reclaim_retry_zone: ['zoneref *'] } as Record<string, string[]>;
  const choices = choosePressure((name) => prototypes[name], all);
  const reason = (hook: string) => choices.find((choice) => choice.hook === hook)?.reason;
  expect(reason('sched_switch')).toBe("no sched_switch in the kernel's BTF");
  expect(reason('reclaim_retry_zone')).toContain('a form that is not known');
});
