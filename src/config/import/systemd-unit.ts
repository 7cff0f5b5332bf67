/** Makes the systemd unit of `oomscope run`, with only the privileges that its configuration needs. */

export interface UnitOptions {
  /** Program and arguments; paths are absolute. */
  command: readonly string[];
  /** The guard is enabled. It needs CAP_KILL, and it writes to cgroups and oom_score_adj. */
  guards: boolean;
  /** At least one sink needs the network. */
  network: boolean;
  /** The guard runs at real-time priority. */
  realtime: boolean;
}

/** First line of every unit that oomscope makes. `systemd remove` and `systemd install` change no other unit. */
export const MADE_HERE =
  '# Made by `oomscope systemd`, which overwrites it; put changes in a drop-in: systemctl edit oomscope';

export function systemdUnit({ command, guards, network, realtime }: UnitOptions): string {
  const capabilities = [
    ...['CAP_BPF', 'CAP_PERFMON', 'CAP_SYS_RESOURCE', 'CAP_SYS_PTRACE'],
    ...(guards ? ['CAP_KILL', 'CAP_IPC_LOCK', 'CAP_SYS_NICE'] : []),
  ];
  return `${MADE_HERE}
[Unit]
Description=Traces OOM kills and memory pressure, and prevents them
After=local-fs.target
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
ExecStart=${command.map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
WatchdogSec=60
SyslogIdentifier=oomscope
StateDirectory=oomscope
StateDirectoryMode=0700

# The daemon must survive when memory is short: the OOM killer spares it, it is never swapped, and it has reserved memory.
OOMScoreAdjust=-900
OOMPolicy=continue
MemoryMin=64M
MemorySwapMax=0
TasksMax=64
LimitMEMLOCK=infinity
LimitNOFILE=65536
Nice=-20

# The daemon has only the privileges that it needs. MemoryDenyWriteExecute is off, because JavaScript is compiled to machine code.
CapabilityBoundingSet=${capabilities.join(' ')}
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
${guards ? 'ReadWritePaths=/sys/fs/cgroup\n' : 'ProtectControlGroups=yes\n'}${
  network
    ? 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n'
    : 'RestrictAddressFamilies=AF_UNIX\nPrivateNetwork=yes\nIPAddressDeny=any\n'
}RestrictNamespaces=yes
${realtime ? '' : 'RestrictRealtime=yes\n'}RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @keyring @mount @obsolete
SystemCallFilter=bpf perf_event_open process_mrelease pidfd_open pidfd_send_signal sched_setscheduler setpriority mlock2
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
