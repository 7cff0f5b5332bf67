/** The help of `guard --as-earlyoom`: earlyoom's options, in words of oomscope. */
export const help = (program: string): string => `Usage: ${program} [OPTION]...

oomscope in the place of earlyoom: the same options, lines and exit codes.

  -m PERCENT[,KILL_PERCENT] SIGTERM when at most this much memory is available,
                            SIGKILL at the second value (default 10,5; the
                            second value is half of the first)
  -s PERCENT[,KILL_PERCENT] the same for free swap; memory and swap must both
                            be short (default 10,5)
  -M SIZE[,KILL_SIZE]       the same as -m in KiB; the lower one counts
  -S SIZE[,KILL_SIZE]       the same as -s in KiB; the lower one counts
  -n                        notify the desktop through D-Bus
  -N /PATH/TO/SCRIPT        run this after a kill
  -P /PATH/TO/SCRIPT        run this before a kill, and wait for at most 200 ms.
                            Both have EARLYOOM_PID, _UID, _NAME and _CMDLINE in
                            their environment; any process may choose its name
  -g                        kill the whole process group
  -d, --debug               print what is decided on
  -v                        print the version and exit
  -r INTERVAL               seconds between status lines (default 1); 0: none
  -p                        run with nice -20 and oom_score_adj -100
  --ignore-root-user        never kill a process of root
  --sort-by-rss             kill the process with most resident memory, not the
                            one with the highest oom_score
  --prefer REGEX            prefer processes whose name matches: +300 points
  --avoid REGEX             avoid processes whose name matches: -300 points
  --ignore REGEX            never kill a process whose name matches
  --dryrun                  kill nothing
  --syslog                  write to syslog instead of stdout and stderr
  -h, --help                print this help text

Exit status: 6 bad regular expression, 13 bad option, 14 bad interval,
15 bad -m or -M, 16 bad -s or -S.
`;
