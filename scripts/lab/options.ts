/** Options and results of a guest. Imports nothing at run time. */
import type { SuiteName } from './debian.ts';
import type { Kernel } from './kernels.ts';
import type { Architecture } from './platform.ts';

export type CgroupSetup = 'v1' | 'v2' | 'hybrid';
export type SwapSetup = 'none' | 'zram' | 'file';

/** A Debian on a disk, with systemd as process 1. */
export interface System {
  suite: SuiteName;
  /** Packages in addition to the base system. */
  packages?: readonly string[];
  /**
   * Units that systemd starts before the command, and no others but their dependencies and the journal. The guest then boots in two
   * thirds of the time. Default: those of multi-user.target.
   */
  units?: readonly string[];
  /**
   * A file with the disk, made when missing, which keeps what the guest writes, for the next guest: the command is followed by a
   * restart, before which systemd stops every service. Without it, changes are lost.
   */
  disk?: string;
}

/** TCP between a guest and 127.0.0.1 of this machine, by QEMU's user network. The guest reaches nothing else. */
export interface Network {
  /** For each port of 127.0.0.1 of this machine, the port at which a program of the guest listens on GUEST_ADDRESS. */
  incoming?: Readonly<Record<number, number>>;
  /** Ports of 127.0.0.1 of this machine. The guest reaches them at HOST_ADDRESS. */
  outgoing?: readonly number[];
}
export const GUEST_ADDRESS = '10.0.2.15';
export const HOST_ADDRESS = '10.0.2.100';

export interface GuestOptions {
  /** "5.10", "6.1", "6.12", "7.2", or the path of a vmlinuz. */
  kernel: string;
  /** "x64". Programs for "arm64" are cross-compiled when they are first needed. */
  architecture?: Architecture;
  /**
   * If `kernel` is a path: the directory /lib/modules/RELEASE of that kernel. Without modules, virtio and (for swap)
   * zram must be built in.
   */
  modules?: string;
  /**
   * Which cgroup hierarchy has the memory controller (default "v2"). "hybrid": v1, with an empty v2 hierarchy in
   * addition.
   */
  cgroup?: CgroupSetup;
  /** The guest's memory (1024). */
  memoryMib?: number;
  /** Number of CPUs (2). */
  cpus?: number;
  /** Kind of swap ("none"). */
  swap?: SwapSetup;
  /** Size of the swap (half of the memory). */
  swapMib?: number;
  /** Number of NUMA nodes, memory and CPUs in equal parts (1). */
  numa?: number;
  /**
   * The clock of the guest counts the instructions that the guest executes. When other work of this machine slows the
   * guest down, then its processes do not notice, and races between them end as on an idle machine (false).
   */
  virtualTime?: boolean;
  /**
   * Starts systemd. The command then is a service that starts after multi-user.target, in /oomscope; Node is /runtime/bin/node, and its
   * PATH is the one of Debian. `cgroup` must be "v2".
   */
  system?: System;
  /** Connections with this machine. By default the guest has no network device. */
  network?: Network;
  /** More kernel arguments. */
  append?: string;
  /**
   * The command. It runs as root in the project's directory, with an empty stdin. `node`, `oomscope` and the commands
   * of busybox are in its PATH. Files that it writes to /out are copied to this machine. /var/tmp is on a disk of 1
   * GiB; all other directories are in memory.
   */
  command: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /**
   * More files for the guest: absolute path in the guest to path on this machine. They stay in the memory of the guest.
   */
  files?: Readonly<Record<string, string>>;
  /** Folder for the files of /out, `dmesg` and `console`. Made when missing. */
  outDir?: string;
  onStdout?: (chunk: Buffer) => void;
  onStderr?: (chunk: Buffer) => void;
  /** The guest is ended after this time, booting included (120). */
  limitSeconds?: number;
  /** Ends the guest; bootGuest() then throws the signal's reason. */
  signal?: AbortSignal;
}

/** Values of `exitCode` when the command has none. */
export const GuestExit = { timedOut: 124, panicked: 125, vanished: 126 } as const;

export interface GuestResult {
  /** Exit code of the command, 128 + N if signal N ended it, or one of `GuestExit`. */
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Records of /dev/kmsg, "6,42,1234567,-;text", up to the end of the command or to where the guest hung. */
  dmesg: string;
  /** The output on the serial console: with `quiet`, the kernel prints only severe messages there, such as a panic. */
  console: string;
  kernel: Kernel;
  /** Time from the start of QEMU to its end. */
  seconds: number;
  /** Time from the start of QEMU to the start of the command. */
  bootSeconds: number;
  panicked: boolean;
  timedOut: boolean;
}
