/** What a process is, as its name tells, and what those who run it can set. */

import { type Survivor, serviceLines, survivorOf } from '../../survivors/survivors.ts';

const postgresLines = serviceLines(survivorOf('postgres') as Survivor).join(' and ');

export interface Runtime {
  name: string;
  comms: RegExp;
  advice: { do: string; because: string }[];
}

/** A name has at most 15 bytes (TASK_COMM_LEN): longer ones are cut. */
export const runtimes: readonly Runtime[] = [
  {
    name: 'JVM',
    comms: /^(?:java|C[12] CompilerThre|G1 .*|VM Thread|GC Thread#\d+)$/,
    advice: [
      {
        do: 'Set -XX:MaxRAMPercentage to 50–75 (or -Xmx well below the limit).',
        because:
          'The heap is not all: metaspace, code cache, thread stacks, direct buffers and the collector come on top of it.',
      },
      {
        do: 'Look at the rest with -XX:NativeMemoryTracking=summary and jcmd PID VM.native_memory.',
        because: 'A kill by the kernel, rather than an OutOfMemoryError, mostly means that the heap was not what grew.',
      },
    ],
  },
  {
    name: 'Node.js',
    comms: /^(?:node|nodejs|MainThread|npm .*|yarn|next-server.*|V8Worker|libuv-worker)$/,
    advice: [
      {
        do: 'Set --max-old-space-size (MiB, in NODE_OPTIONS) to about three quarters of the limit.',
        because: 'V8 then collects, and fails with a stack trace of its own, before the kernel kills.',
      },
      {
        do: 'Compare process.memoryUsage().external and arrayBuffers with heapUsed over time; take a heap snapshot with --heapsnapshot-near-heap-limit=2.',
        because: 'Buffers live outside of the heap, and no heap limit holds them.',
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
        because: 'Without it the collector lets the heap double before it runs, and knows of no limit.',
      },
      {
        do: 'Take a profile from /debug/pprof/heap before it is due to die again.',
        because: 'It names the code that holds the memory.',
      },
    ],
  },
  {
    name: 'Python',
    comms: /^(?:python[\d.]*|uwsgi|gunicorn.*|celery.*|uvicorn|jupyter.*|ipython.*)$/,
    advice: [
      {
        do: 'Run it with tracemalloc (PYTHONTRACEMALLOC=1), or memray, and compare two snapshots.',
        because: 'Python gives freed memory back late or never; what counts is what it holds on to.',
      },
      {
        do: 'Recycle workers (gunicorn --max-requests, celery --max-memory-per-child).',
        because: 'It bounds what a slow leak and a fragmented heap can come to.',
      },
    ],
  },
  {
    name: 'PostgreSQL',
    comms: /^(?:postgres.*|postmaster)$/,
    advice: [
      {
        do: 'Check work_mem × connections × nodes of a plan, and shared_buffers (a quarter of the memory is usual); pool connections.',
        because: 'Each sort and hash may take work_mem, in each connection, at once.',
      },
      {
        do: `Protect the postmaster, and have its backends put themselves back to 0: ${postgresLines} in its unit.`,
        because:
          'Any backend that is killed with SIGKILL makes the postmaster restart all of them; the postmaster itself must stay.',
      },
    ],
  },
  {
    name: 'MySQL',
    comms: /^(?:mysqld.*|mariadbd?.*)$/,
    advice: [
      {
        do: 'Check innodb_buffer_pool_size plus max_connections × the per-connection buffers against the limit.',
        because: 'The buffer pool is taken for good; sort, join and read buffers come on top for every connection.',
      },
      {
        do: 'Look at performance_schema (memory_summary_global_by_event_name).',
        because: 'It says which part of the server holds what.',
      },
    ],
  },
  {
    name: 'Redis',
    comms: /^(?:redis-server.*|redis-rdb-bgsav|redis-aof-rewr|valkey-server)$/,
    advice: [
      {
        do: 'Set maxmemory (60–75 % of the limit) and a maxmemory-policy.',
        because: 'Without it Redis grows until somebody else stops it.',
      },
      {
        do: 'Leave room for the copy of a background save; keep vm.overcommit_memory=1.',
        because: 'fork() shares pages until they are written: a busy server can need twice its memory.',
      },
    ],
  },
  {
    name: 'MongoDB',
    comms: /^mongod$/,
    advice: [
      {
        do: 'Set storage.wiredTiger.engineConfig.cacheSizeGB for the limit it runs under.',
        because: 'The default is half of the memory it sees, and connections and sorts come on top.',
      },
    ],
  },
  {
    name: 'browser',
    comms:
      /^(?:chrome|chromium.*|firefox.*|Web Content|Isolated Web.*|WebExtensions|WebKitWebProces|brave|msedge|electron|code|slack|discord|headless_shell)$/,
    advice: [
      {
        do: 'Leave it to be killed first (browsers set oom_score_adj 200 to 300 for their tabs), and use fewer tabs or tab sleeping.',
        because: 'A tab is the cheapest thing on a desktop to lose: it can be loaded again.',
      },
      {
        do: 'Under automation: one browser per job, closed after it; --disable-dev-shm-usage where /dev/shm is small.',
        because: 'Pages that are never closed are the usual leak there.',
      },
    ],
  },
  {
    name: 'PHP',
    comms: /^(?:php.*|php-fpm.*)$/,
    advice: [
      {
        do: 'Check pm.max_children × memory_limit against the memory there is; set pm.max_requests.',
        because: 'The pool may grow to that product, and workers do not give memory back.',
      },
    ],
  },
  {
    name: 'web server',
    comms: /^(?:nginx|apache2|httpd|haproxy|envoy|varnishd)$/,
    advice: [
      {
        do: 'Cap connections and request bodies (worker_connections, MaxRequestWorkers, client_max_body_size), and shut down gracefully.',
        because: 'Memory here goes by the number of requests at a time, and that is set by others.',
      },
    ],
  },
  {
    name: 'Ruby',
    comms: /^(?:ruby.*|puma.*|sidekiq.*|unicorn.*)$/,
    advice: [
      {
        do: 'Use jemalloc, or MALLOC_ARENA_MAX=2, and recycle workers.',
        because: 'With many threads glibc keeps an arena for each, and they fragment.',
      },
    ],
  },
  {
    name: '.NET',
    comms: /^(?:dotnet|\.NET .*)$/,
    advice: [
      {
        do: 'Set DOTNET_GCHeapHardLimitPercent, and DOTNET_gcServer=0 in small containers.',
        because: 'The server collector keeps a heap for each CPU.',
      },
    ],
  },
  {
    name: 'Erlang',
    comms: /^beam\.smp$/,
    advice: [
      {
        do: 'Check the high watermark (RabbitMQ: vm_memory_high_watermark) against the limit and not the host.',
        because: 'It may be worked out from the memory of the machine.',
      },
    ],
  },
  {
    name: 'build',
    comms: /^(?:cc1(?:plus)?|clang.*|rustc|cargo|ld(?:\.\w+)?|lld|lto1.*|tsc|make|ninja|bazel|gradle|webpack)$/,
    advice: [
      {
        do: 'Run fewer jobs at a time (make -j, CARGO_BUILD_JOBS), linking apart.',
        because: 'Each compiler takes as much as the largest file needs, and linking takes the most.',
      },
    ],
  },
  {
    name: 'virtual machine',
    comms: /^(?:qemu.*|kvm|firecracker|cloud-hypervis.*|VBoxHeadless)$/,
    advice: [
      {
        do: 'Give the machine less, or reserve for the host what it needs beside its guests.',
        because: 'A guest’s memory is the host’s anonymous memory, and guests fill it with cache.',
      },
    ],
  },
];

export const runtimeOf = (comm: string): Runtime | undefined => runtimes.find(({ comms }) => comms.test(comm));
