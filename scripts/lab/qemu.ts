/**
 * The arguments of QEMU for the virtual machine. It can read only the listed files of this machine, and has a network
 * device only where its user asks for one.
 */
import type { Kernel } from './kernels.ts';
import { HOST_ADDRESS, type Network } from './options.ts';
import type { Platform } from './platform.ts';

/**
 * The output channels of the guest. Each channel is a virtio port, except the console, which is the serial line. Virtio
 * ports are faster: a serial line needs one trap into QEMU for every byte.
 */
export const CHANNELS = ['console', 'stdout', 'stderr', 'control', 'files', 'kmsg'] as const;
export type Channel = (typeof CHANNELS)[number];

/** QEMU's descriptor of a channel, after stdin, stdout and stderr. */
const channelFd = (channel: Channel) => 3 + CHANNELS.indexOf(channel);
export const INITRD_FD = 3 + CHANNELS.length;
export const SCRATCH_FD = INITRD_FD + 1;
export const SYSTEM_FD = SCRATCH_FD + 1;

/** The kernel modules that a guest uses. If one is missing, it is built into the kernel. */
export const GUEST_MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio_console',
  'lzo_rle', // default of zram up to 6.11; the module zram does not name it as a dependency
  'lz4',
  'zstd',
  'zram',
];
/** The modules of a guest with a network, in addition. */
export const NETWORK_MODULES = ['virtio_net'];

export interface Machine {
  platform: Platform;
  kernel: Kernel;
  memoryMib: number;
  cpus: number;
  numaNodes: number;
  append: string;
  virtualTime: boolean;
  /** True: there is a disk with a system on it. */
  system: boolean;
  network: Network | undefined;
  /** Path of busybox on this machine. */
  busybox: string;
  /** Path of the image with Node. */
  runtime: string;
  /** True: the console is this terminal, and there are no other channels. */
  shell: boolean;
}

export function qemuArguments(machine: Machine): string[] {
  const { platform, memoryMib, cpus, shell } = machine;
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    // QEMU counts instructions only where one thread executes all CPUs.
    [
      '-display',
      'none',
      ...platform.machine.map((word) => (machine.virtualTime ? word.replace('=multi', '=single') : word)),
    ],
    ['-smp', String(cpus), '-m', `${memoryMib}M`],
    // An instruction takes 2^3 ns of the guest's time; an idle guest keeps to the time of this machine.
    machine.virtualTime ? ['-icount', 'shift=3'] : [],
    ...numa(machine),
    ['-kernel', machine.kernel.image, '-initrd', `/proc/self/fd/${INITRD_FD}`],
    // panic=-1 reboots at once after a panic, and with -no-reboot QEMU then ends. A log of 4 MiB holds a storm of OOM
    // reports.
    [
      '-append',
      `console=${platform.console} panic=-1 psi=1 log_buf_len=4M ${platform.append} ${shell ? '' : 'quiet '}${machine.append}`.trim(),
    ],
    ...(shell ? [['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console']] : channels()),
    disk('runtime', machine.runtime, true),
    disk('scratch', `/proc/self/fd/${SCRATCH_FD}`, false),
    machine.system ? disk('system', `/proc/self/fd/${SYSTEM_FD}`, false) : [],
    network(machine),
  ].flat();
}

function channels(): string[][] {
  return [
    ['-device', 'virtio-serial-pci'],
    ...CHANNELS.map((channel) => [
      '-chardev',
      `socket,fd=${channelFd(channel)},id=${channel}`,
      ...(channel === 'console'
        ? ['-serial', 'chardev:console']
        : ['-device', `virtserialport,chardev=${channel},name=${channel}`]),
    ]),
  ];
}

/** QEMU starts busybox for each outgoing connection, because it would open a socket of its own only once. */
function network({ network, busybox }: Machine): string[] {
  if (network === undefined) return [];
  const rules = [
    ...Object.entries(network.incoming ?? {}).map(([here, there]) => `hostfwd=tcp:127.0.0.1:${here}-:${there}`),
    ...(network.outgoing ?? []).map(
      (port) => `guestfwd=tcp:${HOST_ADDRESS}:${port}-cmd:${busybox} nc 127.0.0.1 ${port}`,
    ),
  ];
  return [
    '-netdev',
    ['user,id=network,restrict=on', ...rules].join(','),
    '-device',
    'virtio-net-pci,netdev=network,romfile=',
  ];
}

function disk(name: string, path: string, readOnly: boolean): string[] {
  const file = `driver=file,filename=${path.replaceAll(',', ',,')},locking=off`;
  return [
    ...['-blockdev', `${file},node-name=${name}-file,read-only=${readOnly ? 'on' : 'off'}`],
    // What a guest has written stays in this machine's page cache, which outlives QEMU: its fsync() need not reach the disk.
    ...[
      '-blockdev',
      `driver=raw,file=${name}-file,node-name=${name},read-only=${readOnly ? 'on' : 'off'},cache.no-flush=on`,
    ],
    ...['-device', `virtio-blk-pci,drive=${name},serial=${name}`],
  ];
}

/** Memory and CPUs in equal parts, CPU i in node i modulo the number of nodes. */
function numa({ memoryMib, cpus, numaNodes }: Machine): string[][] {
  if (numaNodes < 2) return [];
  return Array.from({ length: numaNodes }, (_, node) => {
    const size = Math.floor(memoryMib / numaNodes) + (node === 0 ? memoryMib % numaNodes : 0);
    const own = Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu % numaNodes === node);
    const list = own.map((cpu) => `,cpus=${cpu}`).join('');
    return [
      ...['-object', `memory-backend-ram,id=memory${node},size=${size}M`],
      ...['-numa', `node,nodeid=${node},memdev=memory${node}${list}`],
    ];
  });
}
