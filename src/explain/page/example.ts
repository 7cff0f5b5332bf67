/** A report of a guest of the lab (Linux 6.12), for a reader who wants to see the page first. */
export const example = `[   31.793648] taker invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), order=0, oom_score_adj=500
[   31.794079] CPU: 1 UID: 0 PID: 212 Comm: taker Not tainted 6.12.107+deb13-cloud-amd64 #1  Debian 6.12.107-1
[   31.794202] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[   31.794368] Call Trace:
[   31.794854]  <TASK>
[   31.794958]  dump_stack_lvl+0x5d/0x80
[   31.795164]  dump_header+0x43/0x1aa
[   31.795176]  oom_kill_process.cold+0x8/0x8d
[   31.795186]  out_of_memory+0x219/0x4b0
[   31.795201]  __alloc_pages_slowpath.constprop.0+0xc27/0xdc0
[   31.795222]  __alloc_pages_noprof+0x2fb/0x310
[   31.795241]  alloc_pages_mpol_noprof+0xd7/0x1c0
[   31.795253]  folio_alloc_mpol_noprof+0x14/0x30
[   31.795272]  vma_alloc_folio_noprof+0x69/0xb0
[   31.795282]  do_anonymous_page+0x33f/0x870
[   31.795295]  ? __pte_offset_map+0x1b/0x180
[   31.795308]  __handle_mm_fault+0xb14/0xf70
[   31.795323]  handle_mm_fault+0xe2/0x2c0
[   31.795332]  do_user_addr_fault+0x217/0x620
[   31.795346]  exc_page_fault+0x7e/0x180
[   31.795355]  asm_exc_page_fault+0x26/0x30
[   31.795813]  </TASK>
[   31.795905] Mem-Info:
[   31.796082] active_anon:31164 inactive_anon:131583 isolated_anon:0
[   31.796082]  active_file:0 inactive_file:0 isolated_file:0
[   31.796082]  unevictable:0 dirty:0 writeback:0
[   31.796082]  slab_reclaimable:360 slab_unreclaimable:2977
[   31.796082]  mapped:466 shmem:437 pagetables:722
[   31.796082]  sec_pagetables:0 bounce:0
[   31.796082]  kernel_misc_reclaimable:0
[   31.796082]  free:9191 free_pcp:247 free_cma:0
[   31.796231] Node 0 active_anon:124656kB inactive_anon:526332kB active_file:0kB inactive_file:0kB unevictable:0kB isolated(anon):0kB isolated(file):0kB mapped:1864kB dirty:0kB writeback:0kB shmem:1748kB shmem_thp:0kB shmem_pmdmapped:0kB anon_thp:0kB writeback_tmp:0kB kernel_stack:1376kB pagetables:2888kB sec_pagetables:0kB all_unreclaimable? yes
[   31.796317] Node 0 DMA free:3428kB boost:0kB min:760kB low:948kB high:1136kB reserved_highatomic:0KB active_anon:0kB inactive_anon:11780kB active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB present:15992kB managed:15360kB mlocked:0kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB
[   31.796462] lowmem_reserve[]: 0 671 671 671 671
[   31.796509] Node 0 DMA32 free:33336kB boost:0kB min:34144kB low:42680kB high:51216kB reserved_highatomic:0KB active_anon:124656kB inactive_anon:514552kB active_file:324kB inactive_file:52kB unevictable:0kB writepending:0kB present:769896kB managed:699056kB mlocked:0kB bounce:0kB free_pcp:988kB local_pcp:988kB free_cma:0kB
[   31.796529] lowmem_reserve[]: 0 0 0 0 0
[   31.800854] Node 0 DMA: 1*4kB (M) 2*8kB (UM) 1*16kB (M) 2*32kB (UM) 2*64kB (UM) 1*128kB (M) 2*256kB (UM) 1*512kB (U) 0*1024kB 1*2048kB (M) 0*4096kB = 3428kB
[   31.801110] Node 0 DMA32: 24*4kB (UME) 17*8kB (UE) 16*16kB (UE) 13*32kB (UME) 5*64kB (UME) 0*128kB 2*256kB (UE) 2*512kB (E) 2*1024kB (UE) 0*2048kB 7*4096kB (UM) = 33480kB
[   31.801254] Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=1048576kB
[   31.801282] Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB
[   31.801347] 526 total pagecache pages
[   31.801372] 80 pages in swap cache
[   31.801382] Free swap  = 0kB
[   31.801390] Total swap = 65532kB
[   31.801426] 196472 pages RAM
[   31.801435] 0 pages HighMem/MovableOnly
[   31.801443] 17868 pages reserved
[   31.801454] 0 pages hwpoisoned
[   31.801487] Tasks state (memory values in pages):
[   31.801495] [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[   31.801667] [    192]     0   192      581      331        0        0       331    36864        0             0 cat
[   31.801700] [    193]     0   193      565      331        0        0       331    40960        0         -1000 tee
[   31.801713] [    194]     0   194      565      363        0        0       363    36864        0         -1000 grep
[   31.801725] [    195]     0   195      581      331        0        0       331    36864        0         -1000 cat
[   31.801736] [    196]     0   196      581      331        0        0       331    36864        0         -1000 cat
[   31.801748] [    197]     0   197  2453484      137      135        2         0   700416     7200         -1000 MainThread
[   31.801759] [    204]     0   204      876       51       32       19         0    40960      256             0 holder-0
[   31.801771] [    205]     0   205     1644       37       32        5         0    49152     1024            20 holder-1
[   31.801782] [    206]     0   206     2412        0        0        0         0    61440     1792            40 holder-2
[   31.801794] [    207]     0   207     3180     1344     1344        0         0    61440     1216            60 holder-3
[   31.801805] [    208]     0   208     3948       34       32        2         0    73728     3328            80 holder-4
[   31.801816] [    209]     0   209     4716     3504     3488       16         0    77824      608           100 holder-5
[   31.801827] [    210]     0   210     5484     4864     4864        0         0    77824        0           120 holder-6
[   31.801839] [    211]     0   211     6252     5657     5632       25         0    90112        0           140 holder-7
[   31.801850] [    212]     0   212   147275   146722   146688       34         0  1216512        0           500 taker
[   31.801878] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=taker,pid=212,uid=0
[   31.802633] Out of memory: Killed process 212 (taker) total-vm:589100kB, anon-rss:586752kB, file-rss:136kB, shmem-rss:0kB, UID:0 pgtables:1188kB oom_score_adj:500
`;
