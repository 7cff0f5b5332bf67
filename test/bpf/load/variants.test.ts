import { expect, test } from 'vitest';
import { type Backend, chooseVariants, type Hook } from '../../../src/bpf/load/variants.ts';

type Table = Record<string, string[]>;

const reapers: Table = Object.fromEntries(
  ['wake_reaper', 'start_task_reaping', 'finish_task_reaping', 'skip_task_reaping'].map((name) => [name, ['int']]),
);
const reclaims = (parameters: string[]): Table =>
  Object.fromEntries(
    ['direct', 'memcg', 'memcg_softlimit'].map((name) => [`mm_vmscan_${name}_reclaim_begin`, parameters]),
  );
const signal = { signal_generate: ['int', 'kernel_siginfo *', 'task_struct *', 'int', 'int'] };
const exit = { sched_process_exit: ['task_struct *'] };
const exitWithGroup = { sched_process_exit: ['task_struct *', 'bool'] };
const markPid = { mark_victim: ['int'] };
const markTask = { mark_victim: ['task_struct *', 'uid_t'] };
const exitMmap = { exit_mmap: ['mm_struct *'] };
const reclaim2 = reclaims(['int', 'gfp_t']);
const reclaim3 = reclaims(['gfp_t', 'int', 'mem_cgroup *']);

const kernels: Record<string, Table> = {
  '5.10': { ...markPid, ...signal, ...exit, ...reclaim2, ...reapers },
  '6.1': { ...markPid, ...signal, ...exit, ...exitMmap, ...reclaim2, ...reapers },
  '6.1.192': { ...markTask, ...signal, ...exit, ...exitMmap, ...reclaim2, ...reapers },
  '6.12': { ...markTask, ...signal, ...exit, ...exitMmap, ...reclaim2, ...reapers },
  '6.18': { ...markTask, ...signal, ...exitWithGroup, ...exitMmap, ...reclaim2, ...reapers },
  '7.2': { ...markTask, ...signal, ...exitWithGroup, ...exitMmap, ...reclaim3, ...reapers },
};

const nothing = { fentry: false, kprobe: false };

const choose = (table: Table, functions = nothing, forced?: Backend) => {
  const choices = chooseVariants((name) => table[name], functions, forced);
  return (hook: Hook) => {
    const found = choices.find((choice) => choice.hook === hook);
    return found ?? expect.fail(`no choice for ${hook}`);
  };
};

test.each([
  ['5.10', 'mark_victim_pid', 'process_exit_1', undefined, 'direct_reclaim_2'],
  ['6.1', 'mark_victim_pid', 'process_exit_1', 'exit_mmap', 'direct_reclaim_2'],
  ['6.1.192', 'mark_victim_task', 'process_exit_1', 'exit_mmap', 'direct_reclaim_2'],
  ['6.12', 'mark_victim_task', 'process_exit_1', 'exit_mmap', 'direct_reclaim_2'],
  ['6.18', 'mark_victim_task', 'process_exit_2', 'exit_mmap', 'direct_reclaim_2'],
  ['7.2', 'mark_victim_task', 'process_exit_2', 'exit_mmap', 'direct_reclaim_3'],
])('Linux %s', (version, mark, exits, mmap, reclaim) => {
  const chosen = choose(kernels[version] ?? {});
  expect(chosen('mark_victim')).toMatchObject({ program: mark, backend: 'tp_btf', required: true });
  expect(chosen('signal_generate')).toMatchObject({ program: 'signal_generate', backend: 'tp_btf', required: true });
  expect(chosen('process_exit').program).toBe(exits);
  expect(chosen('exit_mmap')).toMatchObject({ program: mmap, backend: mmap ? 'tp_btf' : 'none', required: false });
  expect(chosen('direct_reclaim').program).toBe(reclaim);
  expect(chosen('softlimit_reclaim').program).toBe(reclaim.replace('direct', 'softlimit'));
  expect(chosen('memcg_reclaim').program).toBe(reclaim.replace('direct', 'memcg'));
  expect(chosen('skip_task_reaping')).toMatchObject({ program: 'skip_task_reaping', backend: 'tp_btf' });
  expect(chosen('mark_victim').reason).toContain(`mark_victim(${kernels[version]?.mark_victim?.join(', ')})`);
});

test('uses a program that needs no BTF if the BTF lacks the tracepoint and such a program exists', () => {
  const chosen = choose({});
  expect(chosen('mark_victim')).toMatchObject({ program: 'mark_victim_plain', backend: 'tracepoint' });
  expect(chosen('signal_generate')).toMatchObject({ program: 'signal_generate_raw', backend: 'raw_tp' });
  expect(chosen('wake_reaper')).toMatchObject({ program: 'wake_reaper_raw', backend: 'raw_tp' });
  expect(chosen('process_exit')).toMatchObject({ program: undefined, backend: 'none' });
  expect(chosen('process_exit').reason).toBe("no sched_process_exit in the kernel's BTF");
});

test('chooses no program for an unknown prototype', () => {
  const chosen = choose({
    ...kernels['7.2'],
    mark_victim: ['oom_victim *'],
    signal_generate: ['int'],
    sched_process_exit: ['task_struct *', 'bool', 'int'],
    mm_vmscan_direct_reclaim_begin: ['gfp_t', 'int'],
  });
  for (const hook of ['mark_victim', 'signal_generate', 'process_exit', 'direct_reclaim'] as const) {
    expect(chosen(hook)).toMatchObject({ program: undefined, backend: 'none' });
    expect(chosen(hook).reason).toContain('a form that is not known');
  }
  expect(chosen('memcg_reclaim').program).toBe('memcg_reclaim_3');
});

test('gets oom_control by fentry, kprobe or a search of the stack, in this order, or by the requested backend', () => {
  const table = kernels['6.12'] ?? {};
  const all = { fentry: true, kprobe: true };
  expect(choose(table, all)('oom_control')).toMatchObject({ backend: 'fentry', program: 'oom_kill_process_fentry' });
  expect(choose(table, { ...all, fentry: false })('oom_control').backend).toBe('kprobe');
  expect(choose(table)('oom_control')).toMatchObject({ backend: 'stack', program: undefined });
  expect(choose(table, all, 'kprobe')('oom_control').backend).toBe('kprobe');
  expect(choose(table, all, 'stack')('oom_control').backend).toBe('stack');

  const raw = choose(table, all, 'raw_tp');
  expect(raw('mark_victim')).toMatchObject({ backend: 'raw_tp', program: 'mark_victim_task_raw' });
  expect(raw('memcg_reclaim')).toMatchObject({ backend: 'raw_tp', program: 'memcg_reclaim_2_raw' });
  const plain = choose(table, all, 'tracepoint');
  expect(plain('mark_victim')).toMatchObject({ backend: 'tracepoint', program: 'mark_victim_plain' });
  expect(plain('memcg_reclaim').backend).toBe('tp_btf');
});
