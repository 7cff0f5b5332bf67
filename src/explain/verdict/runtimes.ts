/** Recognises the runtime of a process (JVM, Node.js, a database …) by its name, with advice on its memory settings. */

import { type Survivor, serviceLines, survivorOf } from '../../survivors/survivors.ts';

const postgresLines = serviceLines(survivorOf('postgres') as Survivor).join(' and ');

export interface Runtime {
  name: string;
  comms: RegExp;
  advice: { do: string; because: string }[];
}

/** Patterns match `comm`, which the kernel cuts to 15 bytes (TASK_COMM_LEN). */
export const runtimes: readonly Runtime[] = [
  {
    name: 'JVM',
    comms: /^(?:java|C[12] CompilerThre|G1 .*|VM Thread|GC Thread#\d+)$/,
    advice: [
      {
        do: 'Set -XX:MaxRAMPercentage to 50–75 (or -Xmx well below the limit).',
        because:
          'The heap is only a part: metaspace, code cache, thread stacks, direct buffers and the collector need memory as well.',
      },
      {
        do: 'Measure the memory outside the heap with -XX:NativeMemoryTracking=summary and jcmd PID VM.native_memory.',
        because: 'A kill by the kernel instead of an OutOfMemoryError usually means that memory outside the heap grew.',
      },
    ],
  },
  {
    name: 'Node.js',
    comms: /^(?:node|nodejs|MainThread|npm .*|yarn|next-server.*|V8Worker|libuv-worker)$/,
    advice: [
      {
        do: 'Set --max-old-space-size (MiB, in NODE_OPTIONS) to about three quarters of the limit.',
        because: 'V8 then collects garbage, and fails with its own stack trace, before the kernel kills the process.',
      },
      {
        do: 'Compare process.memoryUsage().external and arrayBuffers with heapUsed over time; take a heap snapshot with --heapsnapshot-near-heap-limit=2.',
        because: 'Buffers are outside the heap, and no heap limit applies to them.',
      },
    ],
  },
  {
    name: 'Go',
    comms:
      /^(?:dockerd|containerd(?:-shim.*)?|kubelet|prometheus|etcd|traefik|caddy|minio|grafana.*|loki|promtail|consul|vault|coredns|influxd|kube-.*|telegraf|node_exporter|alertmanager|thanos|runc|k3s-server)$/,
    advice: [
      {
        do: 'Set GOMEMLIMIT to about 90 % of the limit.',
        because:
          'Without GOMEMLIMIT the garbage collector lets the heap double before it runs, and does not know the limit.',
      },
      {
        do: 'Take a heap profile from /debug/pprof/heap while the process is large.',
        because: 'The profile names the code that holds the memory.',
      },
    ],
  },
  {
    name: 'Python',
    comms: /^(?:python[\d.]*|uwsgi|gunicorn.*|celery.*|uvicorn|jupyter.*|ipython.*)$/,
    advice: [
      {
        do: 'Run the program with tracemalloc (PYTHONTRACEMALLOC=1) or memray, and compare two snapshots.',
        because:
          'The snapshots show which objects stay alive; RSS does not, because Python returns freed memory late or never.',
      },
      {
        do: 'Recycle workers (gunicorn --max-requests, celery --max-memory-per-child).',
        because: 'That limits how large a slow leak or a fragmented heap can become.',
      },
    ],
  },
  {
    name: 'PostgreSQL',
    comms: /^(?:postgres.*|postmaster)$/,
    advice: [
      {
        do: 'Check work_mem × connections × nodes of a plan, and shared_buffers (usually a quarter of the memory); use a connection pool.',
        because: 'Each sort and each hash in each connection may use work_mem at the same time.',
      },
      {
        do: `Protect the postmaster, and let its backends reset themselves to 0: set ${postgresLines} in its unit.`,
        because: 'When one backend is killed, the postmaster restarts all of them; the postmaster itself must survive.',
      },
    ],
  },
  {
    name: 'MySQL',
    comms: /^(?:mysqld.*|mariadbd?.*)$/,
    advice: [
      {
        do: 'Check innodb_buffer_pool_size plus max_connections × the per-connection buffers against the limit.',
        because: 'MySQL keeps the buffer pool for good; every connection needs sort, join and read buffers as well.',
      },
      {
        do: 'Query performance_schema (memory_summary_global_by_event_name).',
        because: 'It lists the memory of each part of the server.',
      },
    ],
  },
  {
    name: 'Redis',
    comms: /^(?:redis-server.*|redis-rdb-bgsav|redis-aof-rewr|valkey-server)$/,
    advice: [
      {
        do: 'Set maxmemory (60–75 % of the limit) and a maxmemory-policy.',
        because: 'Without maxmemory Redis grows until the kernel kills it.',
      },
      {
        do: 'Leave memory for the copy during a background save; keep vm.overcommit_memory=1.',
        because: 'fork() shares pages until they are written, so a busy server can need twice its memory.',
      },
    ],
  },
  {
    name: 'MongoDB',
    comms: /^mongod$/,
    advice: [
      {
        do: 'Set storage.wiredTiger.engineConfig.cacheSizeGB to fit the limit that mongod runs under.',
        because: 'The default is half of the visible memory, and connections and sorts need more on top.',
      },
    ],
  },
  {
    name: 'browser',
    comms:
      /^(?:chrome|chromium.*|firefox.*|Web Content|Isolated Web.*|WebExtensions|WebKitWebProces|brave|msedge|electron|code|slack|discord|headless_shell)$/,
    advice: [
      {
        do: 'Let the kernel kill tabs first (browsers give them an oom_score_adj of 200 to 300), and use fewer tabs or tab sleeping.',
        because: 'A tab is the cheapest process on a desktop to lose: the browser can load it again.',
      },
      {
        do: 'Under automation, start one browser per job and close it afterwards; use --disable-dev-shm-usage where /dev/shm is small.',
        because: 'Pages that are never closed are the usual leak in automated browsers.',
      },
    ],
  },
  {
    name: 'PHP',
    comms: /^(?:php.*|php-fpm.*)$/,
    advice: [
      {
        do: 'Compare pm.max_children × memory_limit with the available memory; set pm.max_requests.',
        because: 'The pool may grow to that product, and workers do not return memory.',
      },
    ],
  },
  {
    name: 'web server',
    comms: /^(?:nginx|apache2|httpd|haproxy|envoy|varnishd)$/,
    advice: [
      {
        do: 'Limit connections and request bodies (worker_connections, MaxRequestWorkers, client_max_body_size).',
        because: 'The memory of a web server grows with the number of concurrent requests, which clients decide.',
      },
    ],
  },
  {
    name: 'Ruby',
    comms: /^(?:ruby.*|puma.*|sidekiq.*|unicorn.*)$/,
    advice: [
      {
        do: 'Use jemalloc, or MALLOC_ARENA_MAX=2, and recycle workers.',
        because: 'glibc keeps an arena for each thread, and the arenas fragment.',
      },
    ],
  },
  {
    name: '.NET',
    comms: /^(?:dotnet|\.NET .*)$/,
    advice: [
      {
        do: 'Set DOTNET_GCHeapHardLimitPercent, and DOTNET_gcServer=0 in small containers.',
        because: 'The server garbage collector keeps a heap for each CPU.',
      },
    ],
  },
  {
    name: 'Erlang',
    comms: /^beam\.smp$/,
    advice: [
      {
        do: 'Set the high watermark (RabbitMQ: vm_memory_high_watermark) from the limit, not from the memory of the host.',
        because: 'By default it may be computed from the memory of the machine.',
      },
    ],
  },
  {
    name: 'build',
    comms: /^(?:cc1(?:plus)?|clang.*|rustc|cargo|ld(?:\.\w+)?|lld|lto1.*|tsc|make|ninja|bazel|gradle|webpack)$/,
    advice: [
      {
        do: 'Run fewer jobs at a time (make -j, CARGO_BUILD_JOBS), and link one program at a time.',
        because: 'Each compiler needs memory for its file, and linking needs the most.',
      },
    ],
  },
  {
    name: 'virtual machine',
    comms: /^(?:qemu.*|kvm|firecracker|cloud-hypervis.*|VBoxHeadless)$/,
    advice: [
      {
        do: 'Give the guest less memory, or reserve memory for the host beside its guests.',
        because: 'The memory of a guest is anonymous memory of the host, and guests fill it with cache.',
      },
    ],
  },
];

export const runtimeOf = (comm: string): Runtime | undefined => runtimes.find(({ comms }) => comms.test(comm));
