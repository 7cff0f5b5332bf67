/**
 * The workloads of the rescue table: the processes that use up the memory (eaters), and the innocent processes. All
 * run load.c.
 */
import type { GuestOptions } from '../../lab/guest.ts';

export interface Workload {
  name: string;
  about: string;
  guest: Pick<GuestOptions, 'memoryMib' | 'cpus' | 'swap' | 'swapMib'>;
  innocent: string[];
  eaters: string[];
  /** If given, all processes run in one cgroup with this limit. */
  limitMib?: number;
  /** The workload needs swap or the machine's page cache, which a cgroup does not have. */
  global?: true;
  /** Time limit of the run. */
  limitSeconds: number;
}

const SMALL = { memoryMib: 512, cpus: 1 };
/** Two processes that use all of their memory, sized for a small machine. */
const BYSTANDERS = ['load hold 40', 'load hold 30'];

export const workloads: Workload[] = [
  {
    name: 'leak',
    about: 'a leak of anonymous memory, as fast as possible',
    ...{ guest: SMALL, innocent: BYSTANDERS, eaters: ['load leak 0'], limitSeconds: 20 },
  },
  {
    name: 'zram',
    about: 'a leak of 32 MiB/s, with 256 MiB of zram swap',
    ...{ guest: { ...SMALL, swap: 'zram', swapMib: 256 }, global: true },
    ...{ innocent: BYSTANDERS, eaters: ['load leak 32'], limitSeconds: 60 },
  },
  {
    name: 'beside',
    about: 'a leak of some 200 MiB beside a database of 500 MiB that uses all of it',
    guest: { ...SMALL, memoryMib: 1024 },
    ...{ innocent: ['load hold 500'], eaters: ['load leak 48'], limitSeconds: 30 },
  },
  {
    name: 'deaf',
    about: 'a leak of 64 MiB/s that ignores SIGTERM',
    ...{ guest: SMALL, innocent: BYSTANDERS, eaters: ['load leak 64 deaf'], limitSeconds: 30 },
  },
  {
    name: 'storm',
    about: '150 processes of 8 MiB each, a new one every 20 ms',
    ...{ guest: SMALL, innocent: BYSTANDERS, eaters: ['load storm 150 8 20'], limitSeconds: 30 },
  },
  {
    name: 'thrash',
    about: 'a leak that leaves 32 MiB available to a process that reads 160 MiB of a file at random',
    ...{ guest: SMALL, global: true },
    innocent: ['load hold 30', 'load read 160 /var/tmp/read'],
    eaters: ['load leave 32 64'],
    limitSeconds: 25,
  },
  {
    name: 'cgroup',
    about: 'a leak of 24 MiB/s beside a process that holds 100 MiB, in a cgroup with a limit of 160 MiB',
    ...{ guest: SMALL, innocent: ['load hold 100'], eaters: ['load leak 24'], limitMib: 160, limitSeconds: 20 },
  },
];
