import { describe, expect, it } from 'vitest';
import { GuardLimit, SignalFact } from '../../src/bpf/wire/layout.ts';
import { authorOf, type Circumstances } from '../../src/killers/author.ts';
import type { Death, SignalDetails } from '../../src/killers/death.ts';

const KNOWN = SignalFact.SIGNAL_KNOWN | SignalFact.SIGNAL_AT_ONCE;
const nothing: Circumstances = {
  ...{
    oomKilled: false,
    tracerComm: null,
    isGuard: false,
    shimNamespace: null,
    victimRuntime: null,
    sameContainer: false,
    lost: false,
  },
};

const details = (given: Partial<SignalDetails> = {}): SignalDetails => ({
  ...{ loginUid: null, tty: null, ancestors: [], senderExe: null, senderCgroup: null },
  ...{ victimExe: null, victimCgroup: null, value: 0n, ...given },
});

function death(given: Partial<Death> = {}, of: Partial<SignalDetails> = {}): Death {
  return {
    ...{ pid: 100, start_ticks: 5, ppid: 1, parentComm: 'init', uid: 0, comm: 'victim', signal: 9, coreDumped: false },
    ...{ namespacePid: 100, namespaceInit: false, endNs: 2n, sentNs: 1n, tracerPid: 0, cgroup: '/a', code: 0 },
    facts: KNOWN | SignalFact.SIGNAL_TO_GROUP,
    sender: { pid: 200, start_ticks: 6, uid: 0, comm: 'sender' },
    details: details(of),
    ...given,
  };
}

const by = (comm: string, exe: string | null, ancestors: string[] = [], uid = 0, of: Partial<SignalDetails> = {}) =>
  death(
    { sender: { pid: 200, start_ticks: 6, uid, comm } },
    {
      senderExe: exe,
      ancestors: ancestors.map((name, i) => ({ pid: 300 + i, uid: 0, comm: name, start_ticks: 1 })),
      ...of,
    },
  );

const gist = (one: Death, more: Partial<Circumstances> = {}) => {
  const { kind, name, means } = authorOf(one, { ...nothing, ...more });
  return [kind, name, means].join(' ');
};
const kernel = (facts: number) => ({ facts: KNOWN | SignalFact.SIGNAL_FROM_KERNEL | facts });

describe('authorOf', () => {
  it.each([
    ['systemd-oomd', by('systemd-oomd', '/usr/lib/systemd/systemd-oomd', [], 998), 'early_killer systemd-oomd signal'],
    ['earlyoom', by('earlyoom', '/usr/bin/earlyoom', ['systemd'], 61), 'early_killer earlyoom signal'],
    ['nohang, a script', by('nohang', '/usr/bin/python3.11', ['systemd']), 'early_killer nohang signal'],
    ['systemd', by('systemd', '/usr/lib/systemd/systemd'), 'service_manager systemd signal'],
    ['crun for podman', by('crun', '/usr/bin/crun', ['podman', 'systemd']), 'runtime podman signal'],
    ['runc for CRI-O', by('runc', '/usr/bin/runc', ['conmon', 'crio']), 'runtime cri-o signal'],
    ['crun by hand', by('crun', '/usr/bin/crun', ['bash', 'sshd'], 0, { tty: 'pts1' }), 'user crun signal'],
    ['a shell on a terminal', by('bash', '/usr/bin/bash', ['sshd'], 1000, { tty: 'pts1' }), 'user bash signal'],
    ['ssh without a terminal', by('kill', '/bin/kill', ['bash', 'sshd'], 0, { loginUid: 7 }), 'user kill signal'],
    ['a cron job of a login', by('sh', '/bin/sh', ['cron'], 0, { loginUid: 7 }), 'process sh signal'],
    ['another program', by('gunicorn', '/usr/bin/python3', ['systemd']), 'process gunicorn signal'],
    ['a program with a false name', by('dockerd', '/tmp/dockerd', ['bash'], 1000), 'process dockerd signal'],
    ['a script with a false name', by('nohang', '/usr/bin/python3', ['bash'], 1000), 'process nohang signal'],
  ])('names %s', (_, one, expected) => expect(gist(one)).toBe(expected));

  it('names the client of containerd by the namespace of the shim', () => {
    const runc = by('runc', '/usr/bin/runc', ['containerd-shim', 'systemd']);
    expect(gist(runc, { shimNamespace: 'moby' })).toBe('runtime dockerd signal');
    expect(gist(runc, { victimRuntime: 'docker' })).toBe('runtime dockerd signal');
    expect(gist(runc, { shimNamespace: 'k8s.io' })).toBe('runtime containerd signal');
    const shim = by('containerd-shim', '/usr/bin/containerd-shim-runc-v2');
    expect(gist(shim, { shimNamespace: 'moby' })).toBe('runtime dockerd signal');
  });

  it('takes no process in the container of the victim for a runtime, but for a manager of services', () => {
    const inside = { sameContainer: true };
    expect(gist(by('dockerd', '/usr/bin/dockerd'), inside)).toBe('process dockerd signal');
    expect(gist(by('runc', '/usr/bin/runc', ['containerd-shim']), inside)).toBe('process runc signal');
    expect(gist(by('supervisord', '/usr/bin/supervisord'), inside)).toBe('service_manager supervisord signal');
  });

  it.each([
    ['the OOM killer', death(kernel(SignalFact.SIGNAL_TO_GROUP)), { oomKilled: true }, 'oom_killer kernel kernel'],
    [
      'the end of a pid namespace',
      death(kernel(SignalFact.SIGNAL_SENDER_EXITING | SignalFact.SIGNAL_SENDER_IS_REAPER)),
      {},
      'namespace_end sender kernel',
    ],
    [
      'PTRACE_O_EXITKILL',
      death(kernel(SignalFact.SIGNAL_SENDER_EXITING | SignalFact.SIGNAL_SENDER_IS_TRACER)),
      {},
      'tracer sender ptrace',
    ],
    ['Ctrl-C', death({ ...kernel(SignalFact.SIGNAL_TO_GROUP), signal: 2 }), {}, 'terminal  kernel'],
    ['alarm(2)', death({ ...kernel(SignalFact.SIGNAL_TO_GROUP), signal: 14 }), {}, 'self victim kernel'],
    ['another kill by the kernel', death(kernel(SignalFact.SIGNAL_TO_GROUP)), {}, 'kernel  kernel'],
    ['cgroup.kill', death({ facts: KNOWN | SignalFact.SIGNAL_WITHOUT_INFO }), {}, 'process sender cgroup_kill'],
    [
      'PR_SET_PDEATHSIG',
      death({
        facts:
          KNOWN |
          SignalFact.SIGNAL_WITHOUT_INFO |
          SignalFact.SIGNAL_TO_GROUP |
          SignalFact.SIGNAL_PARENT_DEATH |
          SignalFact.SIGNAL_SENDER_EXITING,
      }),
      {},
      'parent_exit sender kernel',
    ],
    ['a fault', death({ signal: 11, code: 1 }), {}, 'kernel  kernel'],
    ['a BPF program', death({ code: 0x80 }), {}, 'kernel  bpf'],
    [
      "the guard's BPF program",
      death({ code: 0x80 }, { value: (BigInt(GuardLimit.GUARD_TOKEN) << 32n) + 3n }),
      {},
      'guard oomscope bpf',
    ],
    ['a guard', death(), { isGuard: true }, 'guard oomscope signal'],
    [
      'abort(3)',
      death({ signal: 6, code: -6, sender: { pid: 100, start_ticks: 5, uid: 0, comm: 'v' } }),
      {},
      'self victim signal',
    ],
    ['seccomp', death({ signal: 31, sender: null }), {}, 'kernel seccomp kernel'],
    ['a tracer without a signal', death({ sender: null, tracerPid: 9 }), { tracerComm: 'gdb' }, 'tracer gdb ptrace'],
  ])('tells %s', (_, one, more, expected) => expect(gist(one as Death, more)).toBe(expected));

  it('says why the author is unknown', () => {
    expect(authorOf(death({ sender: null }), nothing)).toMatchObject({
      kind: null,
      unknown: expect.stringContaining('before oomscope watched'),
    });
    expect(authorOf(death({ sender: null }), { ...nothing, lost: true })).toMatchObject({
      kind: null,
      unknown: expect.stringContaining('lost'),
    });
  });
});
