/**
 * The table of programs that must survive a shortage of memory, and of programs that may be killed first, each with its
 * recommended oom_score_adj. `doctor`, `protect`, `explain` and the guard's default protection use this table, so that
 * their advice is the same.
 *
 * If a project ships a value with its unit or program, the table has this value. This file imports nothing, because
 * `explain` also runs in a browser.
 */

/**
 * - `access`: remote login. `system`: services that a login and the network need. `desktop`: the user's session.
 * - `containers`: runtimes and their supervisors. Containers continue to run without most of them, but cannot be
 *   managed.
 * - `database`, `web`: services on which others depend. `expendable`: programs that the user can easily start again.
 */
export type SurvivorKind = 'access' | 'system' | 'containers' | 'desktop' | 'database' | 'web' | 'expendable';

export interface Survivor {
  /** Regular expression for the whole name of the process. The kernel truncates names to 15 bytes. */
  comm: string;
  kind: SurvivorKind;
  /**
   * The recommended oom_score_adj. null: no value is recommended; the guard decides by the kind whether it may kill the
   * program.
   */
  adj: number | null;
  /**
   * Who sets the value.
   * - `program`: the program sets the value itself when it starts.
   * - `unit`: the systemd unit that the project or a distribution ships sets the value.
   * - `ours`: no project ships a value; oomscope recommends this one.
   */
  setBy: 'program' | 'unit' | 'ours';
  /** Its systemd units, the most common one first. */
  units: readonly string[];
  /** File names or paths of the program. */
  programs: readonly string[];
  /** Names of the users that run it, as distributions create them. Root may run each. */
  users: readonly string[];
  /** Environment variables that the unit must also set, so that the program's children do not keep the value. */
  environment?: readonly string[];
  /** What happens when the program is killed. */
  why: string;
}

/**
 * For services without which the machine cannot be used. dbus.service and systemd-oomd.service ship this value. The
 * comment at sshd says why it is not -1000.
 */
export const SYSTEM_ADJ = -900;
/**
 * For databases; mariadb.service mentions this value. No database gets -1000, because if its own memory grows without
 * limit, everything else would be killed first.
 */
export const DATABASE_ADJ = -600;
/** For other services that must keep running. docker.service ships this value. */
export const MUST_STAY_ADJ = -500;
export const WEB_ADJ = -300;
/** For programs that may be killed first. Browsers set 200 to 300 for their own tabs. */
export const EXPENDABLE_ADJ = 300;

const CONTAINERS = 'Containers cannot be managed while it is not running.';
const DATABASE = 'A kill ends all connections, and recovery takes minutes.';

export const survivors: readonly Survivor[] = [
  // sshd sets -1000 for its listener (openbsd-compat/port-linux.c), and sets each session back to the value that sshd
  // had at its start. With -1000 in the unit, or written to the listener later, every login and all its processes would
  // be unkillable.
  of('access', 'sshd(-session|-auth)?', -1000, 'program', 'Without it no new login is possible.', {
    units: ['ssh.service', 'sshd.service'],
    programs: ['/usr/sbin/sshd'],
  }),

  of('system', 'systemd-udevd', -1000, 'unit', 'New devices are not set up while it is not running.'),
  of('system', 'systemd-journal', -250, 'unit', 'Nothing is logged to the journal while it is not running.'),
  of(
    'system',
    'systemd-oomd',
    SYSTEM_ADJ,
    'unit',
    'The cgroups that it manages are not watched while it is not running.',
  ),
  of('system', 'dbus-daemon', SYSTEM_ADJ, 'unit', 'Every program that uses the bus fails.', {
    units: ['dbus.service'],
  }),
  of('system', 'dbus-broker.*', SYSTEM_ADJ, 'unit', 'Every program that uses the bus fails.', {
    units: ['dbus-broker.service'],
  }),
  of('system', 'systemd-logind', SYSTEM_ADJ, 'ours', 'Logins hang while it is not running.', {
    units: ['systemd-logind.service'],
  }),
  of('system', 'systemd-network', SYSTEM_ADJ, 'ours', 'Addresses expire while it is gone.', {
    units: ['systemd-networkd.service'],
  }),
  of('system', 'NetworkManager', SYSTEM_ADJ, 'ours', 'Addresses expire while it is gone.', {
    units: ['NetworkManager.service'],
  }),
  of('system', 'systemd.*|\\(sd-pam\\)|init|agetty|login|udevd|polkitd', null, 'ours', 'A login needs it.'),

  of('containers', 'dockerd', -500, 'unit', CONTAINERS, { units: ['docker.service'] }),
  of('containers', 'containerd', -999, 'unit', CONTAINERS, { units: ['containerd.service'] }),
  of('containers', 'crio', -999, 'unit', CONTAINERS, { units: ['crio.service'] }),
  of('containers', 'kubelet', -999, 'program', 'The cluster treats the node as failed while it is not running.', {
    units: ['kubelet.service'],
  }),
  of('containers', 'conmon', -1000, 'program', 'The output and the exit status of its container are lost.'),
  of('containers', 'containerd.*|k3s.*|runc|crun', null, 'ours', CONTAINERS),

  of('desktop', 'Xorg|Xwayland|gnome-shell|kwin_.*|plasmashell|sway', null, 'ours', 'The whole session ends with it.'),

  // PostgreSQL's documentation recommends -1000 for the postmaster, and its backends set themselves back to 0. Debian's
  // unit has -900, which protects the postmaster almost as well. With -900, the kernel can still kill a backend that
  // has inherited the value because the environment variables are missing.
  of(
    'database',
    'postgres|postmaster',
    SYSTEM_ADJ,
    'unit',
    'When one of its processes is killed, it restarts all of them.',
    {
      units: ['postgresql.service'],
      programs: ['postgres', 'postmaster'],
      users: ['postgres'],
      environment: ['PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj', 'PG_OOM_ADJUST_VALUE=0'],
    },
  ),
  of('database', 'mysqld', DATABASE_ADJ, 'ours', DATABASE, {
    units: ['mysql.service'],
    programs: ['mysqld'],
    users: ['mysql'],
  }),
  of('database', 'mariadbd', DATABASE_ADJ, 'unit', DATABASE, {
    units: ['mariadb.service'],
    programs: ['mariadbd'],
    users: ['mysql'],
  }),
  of('database', 'mongod', DATABASE_ADJ, 'ours', DATABASE, {
    units: ['mongod.service'],
    programs: ['mongod'],
    users: ['mongodb', 'mongod'],
  }),
  of('database', 'redis-server|redis-check-rdb', DATABASE_ADJ, 'ours', 'What it has not written to disk is lost.', {
    units: ['redis-server.service'],
    programs: ['redis-server', 'redis-check-rdb'],
    users: ['redis'],
  }),
  of('database', 'valkey-server', DATABASE_ADJ, 'ours', 'What it has not written to disk is lost.', {
    units: ['valkey-server.service'],
    programs: ['valkey-server'],
    users: ['valkey'],
  }),

  of(
    'web',
    'nginx|apache2|httpd|haproxy|caddy|envoy|traefik|lighttpd',
    WEB_ADJ,
    'ours',
    'The services behind it cannot be reached.',
    {
      programs: ['nginx', 'apache2', 'httpd', 'haproxy', 'caddy', 'envoy', 'traefik', 'lighttpd'],
      users: ['www-data', 'nginx', 'apache', 'http', 'haproxy', 'caddy', 'envoy', 'traefik', 'lighttpd'],
    },
  ),
  of(
    'expendable',
    'chrome|chromium|firefox.*|code|idea|pycharm',
    EXPENDABLE_ADJ,
    'ours',
    'The user can start it again with a click.',
    {
      programs: ['chrome', 'chromium', 'firefox', 'firefox-esr', 'firefox-bin', 'code', 'idea', 'pycharm'],
    },
  ),
];

/** The entry for a process name. undefined: no entry of the table matches the name. */
export function survivorOf(comm: string): Survivor | undefined {
  return survivors[patterns.findIndex((pattern) => pattern.test(comm))];
}

const patterns = survivors.map(({ comm }) => new RegExp(`^(?:${comm})$`));

export const survivorsOf = (...kinds: SurvivorKind[]): Survivor[] =>
  survivors.filter(({ kind }) => kinds.includes(kind));

/** The lines for a unit's [Service] section that set a program's value. */
export function serviceLines({ adj, environment = [] }: Pick<Survivor, 'adj' | 'environment'>): string[] {
  return [
    ...(adj === null ? [] : [`OOMScoreAdjust=${adj}`]),
    ...(environment.length === 0 ? [] : [`Environment=${environment.join(' ')}`]),
  ];
}

function of(
  kind: SurvivorKind,
  comm: string,
  adj: number | null,
  setBy: Survivor['setBy'],
  why: string,
  more: Partial<Pick<Survivor, 'units' | 'programs' | 'users' | 'environment'>> = {},
): Survivor {
  return { comm, kind, adj, setBy, units: [], programs: [], users: [], why, ...more };
}
