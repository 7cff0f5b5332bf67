/** Makes the systemd unit of `oomscope run`, with no more rights than its configuration needs. */
import { type Feature, rightsFor } from '../../linux/rights.ts';

export interface UnitOptions {
  /** Program and arguments; paths are absolute. */
  command: readonly string[];
  features: ReadonlySet<Feature>;
  /** A sink needs the network, or the daemon listens on an address. */
  network: boolean;
  /** TCP ports on which it listens. */
  ports: readonly number[];
  /** SCHED_RR priority of the guard; 0: it does not run at real-time priority. The threads that read records do in any case. */
  realtimePriority: number;
  /** Directories to which the configuration writes, besides those of the service itself. */
  writes: readonly string[];
}

/** First line of every unit that this function makes. `systemd remove` and `install` change no other unit. */
export const MADE_HERE =
  '# Made by `oomscope systemd`, which overwrites it; put changes in a drop-in: systemctl edit oomscope';

/** The SCHED_FIFO priority of the threads in native/ring.cc. */
const POLLER_PRIORITY = 2;

export function systemdUnit({ command, features, network, ports, realtimePriority, writes }: UnitOptions): string {
  const capabilities = rightsFor(features)
    .map(({ capability }) => capability)
    .join(' ');
  const guards = features.has('guarding');
  const notifies = features.has('notifying');
  const writable = [...(guards ? ['/sys/fs/cgroup'] : []), ...writes];
  return `${MADE_HERE}
[Unit]
Description=Traces OOM kills and memory pressure, and prevents them
After=local-fs.target
# Ten starts in half an hour are enough, also where each takes three minutes. Starts by hand count, too; after "start-limit-hit":
# systemctl reset-failed oomscope
StartLimitIntervalSec=30min
StartLimitBurst=10

[Service]
Type=notify
ExecStart=${command.map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
# The configuration has a fault or is missing, or a privilege is missing: another start would end in the same way.
RestartPreventExitStatus=2 66 77
# A start while memory or the CPUs are short takes long, and the guard works before the start is complete: it must not be ended for
# that. While its event loop runs, it asks for more time, for an hour at most.
TimeoutStartSec=5min
WatchdogSec=60
SyslogIdentifier=oomscope
StateDirectory=oomscope
StateDirectoryMode=0700
# What a guard has changed, for the next start after a crash; a guard that is started by hand uses it, too.
RuntimeDirectory=oomscope
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes

# It must survive when memory is short: spared by the kernel, never swapped, with memory of its own.
OOMScoreAdjust=-900
OOMPolicy=continue
MemoryMin=64M
MemorySwapMax=0
TasksMax=64
LimitMEMLOCK=infinity
LimitNOFILE=65536
Nice=-20
# For the threads that read the kernel's records, which give the CPU back when they use more than a tenth of it.
LimitRTPRIO=${Math.max(POLLER_PRIORITY, realtimePriority)}

# No more rights than it needs, and after its start it gives up those that only the start needs. MemoryDenyWriteExecute is off, because
# JavaScript is compiled to machine code.
CapabilityBoundingSet=${capabilities}
# A program that it starts has none of them, although it runs as root.
AmbientCapabilities=${capabilities}
SecureBits=noroot noroot-locked
NoNewPrivileges=yes
ProtectSystem=strict
${notifies ? '# The sessions of users are in /run/user, which ProtectHome= would hide.\nInaccessiblePaths=-/home -/root' : 'ProtectHome=yes'}
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
${guards ? '' : 'ProtectControlGroups=yes\n'}${
  writable.length > 0 ? `ReadWritePaths=${writable.map(quoted).join(' ')}\n` : ''
}${
  network
    ? 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n'
    : 'RestrictAddressFamilies=AF_UNIX\nPrivateNetwork=yes\nIPAddressDeny=any\n'
}${ports.map((port) => `SocketBindAllow=tcp:${port}\n`).join('')}SocketBindDeny=any
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @keyring @mount @obsolete
SystemCallFilter=bpf perf_event_open process_mrelease pidfd_open pidfd_send_signal sched_setattr sched_setscheduler setpriority mlock2 capset${notifies ? ' @setuid' : ''}
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

/** systemd.syntax(7), systemd.service(5): C escapes in double quotes; "%" and "$" stand for themselves when doubled. */
function quoted(word: string): string {
  if (/^[\w@:,./=+-]+$/.test(word)) return word;
  const escaped = word
    .replace(/[\\"]/g, '\\$&')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a control character would end the line or the file
    .replace(/[\x00-\x1f\x7f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"`;
}
