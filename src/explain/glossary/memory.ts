/** What the fields under "Mem-Info:" mean (mm/show_mem.c, before 6.4 mm/page_alloc.c; mm/vmstat.c; mm/hugetlb.c). */

/** Fields of the system, of a node and of a zone, by the kernel's names. */
const FIELDS: Readonly<Record<string, string>> = {
  active_anon: 'anonymous memory in recent use: heap, stack; also tmpfs and shared memory',
  inactive_anon: 'anonymous memory not in recent use, the first to go to swap; also tmpfs and shared memory',
  isolated_anon: 'anonymous pages that reclaim or compaction took off the lists for a moment',
  active_file: 'page cache in recent use',
  inactive_file: 'page cache not in recent use, the first to be dropped',
  isolated_file: 'page cache that reclaim or compaction took off the lists for a moment',
  active: 'pages in recent use (old kernels)',
  inactive: 'pages not in recent use (old kernels)',
  unevictable: 'pages that cannot be reclaimed: mlock, SHM_LOCK, ramfs',
  mlocked: 'pages that a process locked with mlock',
  dirty: 'page cache that was changed and is not yet on its way to the disk',
  writeback: 'page cache on its way to the disk now',
  writeback_tmp: 'temporary buffers of FUSE for writeback',
  writepending: 'dirty pages and pages under writeback, of this zone',
  unstable: 'pages sent to an NFS server that has not confirmed them (kernels before 5.8)',
  slab: 'kernel objects (old kernels)',
  slab_reclaimable: 'kernel objects that a shrinker can free, such as dentries and inodes',
  slab_unreclaimable: 'kernel objects that cannot be reclaimed; a leak in the kernel grows here',
  mapped: 'page cache and shared memory that processes have mapped',
  shmem: 'tmpfs and shared memory: files in a tmpfs stay when processes die',
  shmem_thp: 'shared memory in huge pages',
  shmem_pmdmapped: 'shared memory in huge pages that is mapped as such',
  anon_thp: 'anonymous memory in transparent huge pages',
  pagetables: 'page tables of processes',
  sec_pagetables: 'page tables of virtual machines (KVM) and of IOMMUs',
  kernel_stack: 'stacks of threads inside the kernel',
  shadow_call_stack: 'shadow stacks of the kernel (arm64)',
  bounce: 'buffers for devices that cannot reach all memory',
  kernel_misc_reclaimable: 'other kernel memory that can be reclaimed',
  zspages: 'memory of zsmalloc, which zram and zswap use for compressed pages',
  balloon: 'memory that a balloon driver gave back to the hypervisor',
  balloon_pages: 'memory that a balloon driver gave back to the hypervisor',
  gpu_active: 'memory that GPU drivers use now',
  gpu_reclaim: 'memory that GPU drivers keep in their pools; it can be reclaimed',
  free: 'free memory',
  free_pcp: 'free pages in the lists of the CPUs, beside the free memory above',
  local_pcp: 'free pages in the list of the CPU that printed the report',
  free_cma: 'free memory of CMA, which serves movable requests only; part of the free memory',
  free_highatomic: 'free memory that only atomic requests may use; part of the free memory',
  reserved_highatomic: 'memory that is reserved for atomic requests',
  boost: 'added to the watermarks for a time, after memory was found fragmented',
  min: 'min watermark: below it only the kernel’s emergencies and dying processes may allocate',
  low: 'low watermark: below it kswapd begins to reclaim in the background',
  high: 'high watermark: above it kswapd sleeps',
  present: 'memory of the zone',
  managed: 'the part of it that the page allocator manages',
};

/** What a field means. undefined: the field is unknown. */
export const meaningOfMemory = (field: string): string | undefined =>
  Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;

/** Zones, by name (include/linux/mmzone.h: enum zone_type). */
const ZONES: Readonly<Record<string, string>> = {
  DMA: 'the lowest memory (on x86 16 MiB), for old devices',
  DMA32: 'memory below 4 GiB, for 32-bit devices',
  Normal: 'ordinary memory',
  HighMem: 'on 32-bit machines memory that the kernel cannot address directly; its own objects cannot be there',
  Movable: 'for movable pages only, so that memory can be unplugged or become huge pages',
  Device: 'memory of devices',
};

export const meaningOfZone = (zone: string): string | undefined =>
  Object.hasOwn(ZONES, zone) ? ZONES[zone] : undefined;

/** The letters of migrate types in the lists of free blocks (mm/show_mem.c: show_migration_types). */
export const MIGRATE_TYPES: Readonly<Record<string, string>> = {
  U: 'unmovable',
  M: 'movable',
  E: 'reclaimable',
  H: 'reserved for atomic requests',
  C: 'CMA, for movable requests only',
  I: 'isolated',
  R: 'a reserve for urgent requests (kernels before 4.4)',
};

export const LOWMEM_RESERVE =
  'what requests that could use a higher zone must leave free here: one number per zone type, lowest first';
export const ALL_UNRECLAIMABLE = 'whether reclaim found nothing to free in the zone';
