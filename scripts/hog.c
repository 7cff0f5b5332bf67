/* A memory hog that can exhaust only a limited cgroup: it moves into the given memory cgroups, checks that one of them
 * has a finite limit, and only then allocates. The demo, the kernel tests and the benchmarks use it. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MiB ((size_t)1 << 20)
#define STEP MiB /* bytes per mmap(), so that total_vm grows with the touched memory */
#define MAX_GROUPS 8
#define MAX_THREADS 256
#define NAME_MAX_LEN 15 /* the kernel keeps 16 bytes, NUL included */

enum { EXIT_REFUSED = 2, EXIT_SURVIVED = 3 };

static const char help[] =
	"usage: hog --cgroup DIR [options]\n"
	"\n"
	"Moves itself into the memory cgroup DIR and touches anonymous memory, page by page, until it is killed. Refuses\n"
	"to run (exit 2) when neither DIR nor a group above it has a finite limit. Sizes take K, M or G.\n"
	"\n"
	"  --cgroup DIR     the cgroup's directory; may be given again for other hierarchies of cgroup v1\n"
	"  --max BYTES      limit of all touched memory together; at the limit hog exits with 3 (512M)\n"
	"  --rate BYTES     touch at most BYTES a second, evenly\n"
	"  --hold BYTES     touch only BYTES, print \"ready\", and sleep until a signal comes\n"
	"  --file BYTES     first map and read BYTES of a file, locked in memory, for file-backed RSS\n"
	"  --dir DIR        directory of that file (/var/tmp), which is unlinked at once; on a tmpfs it is shmem\n"
	"  --shm BYTES      first touch BYTES of shared anonymous memory, for shmem RSS\n"
	"  --threads N      N threads, named hog-1 to hog-N, touch the memory\n"
	"  --leader-exits   with --threads: the threads start after the main thread has exited\n"
	"  --share          a second process, named hog-share, shares the memory without being a thread\n"
	"  --dying BYTES    a child, named hog-dying, touches BYTES and is stopped in the middle of its exit; then print\n"
	"                   \"ready\" and go on. If --max is below the limit, the kernel kills no process: it only marks\n"
	"                   the child\n"
	"  --ignore-term    SIGTERM does not end it\n"
	"  --guest          needs no limit; works only in a guest of the kernel lab, where no other system is affected\n"
	"  --pipes N        first make N pipes with a capacity of 1 MiB each: the kernel allocates blocks of several pages for\n"
	"                   each, which it cannot reclaim\n"
	"  --membind NODE   take memory from this NUMA node only (MPOL_BIND)\n"
	"  --comm NAME      name of the process; \\xNN stands for any byte\n"
	"  --adj N          oom_score_adj of the process, 0 to 1000\n";

static struct {
	const char *groups[MAX_GROUPS];
	int group_count;
	size_t max, hold, rate, file, shm, dying;
	const char *file_dir;
	char name[NAME_MAX_LEN + 1];
	int threads, adj, pipes;
	bool leader_exits, share, guest, ignore_term;
	int membind;
} options = { .max = 512 * MiB, .file_dir = "/var/tmp", .adj = -1, .membind = -1 };

static size_t page_bytes;
static size_t target;              /* anonymous bytes to touch */
static atomic_size_t taken;        /* bytes of `target` that a thread has claimed */
static atomic_int busy_threads;
static struct timespec started;    /* when touching began, for --rate */

__attribute__((format(printf, 2, 3), noreturn)) static void fail(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("hog: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	_exit(status);
}

/* Reads a small cgroup or proc file; false when it does not exist. */
static bool read_file(const char *dir, const char *file, char *text, size_t size)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = read(fd, text, size - 1);
	close(fd);
	if (length < 0)
		return false;
	text[length] = 0;
	return true;
}

static bool write_file(const char *dir, const char *file, long number)
{
	char path[PATH_MAX + 64], text[32];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	int length = snprintf(text, sizeof(text), "%ld", number);
	bool written = write(fd, text, length) == length;
	int error = errno;
	close(fd);
	errno = error;
	return written;
}

/* ---- only inside a limited memory cgroup ---- */

static bool is_member(const char *group)
{
	char path[PATH_MAX + 64], line[32];
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	FILE *procs = fopen(path, "re");
	bool found = false;
	while (procs && !found && fgets(line, sizeof(line), procs))
		found = atol(line) == getpid();
	if (procs)
		fclose(procs);
	return found;
}

/* True when this group or an ancestor has a finite memory limit. "No limit" is "max" on v2, and on v1 LONG_MAX rounded down to whole
 * pages. */
static bool is_limited(const char *group)
{
	char dir[PATH_MAX], text[64];
	if (!realpath(group, dir))
		return false;
	while (read_file(dir, "cgroup.procs", text, sizeof(text))) {
		if (read_file(dir, "memory.max", text, sizeof(text)) && strncmp(text, "max", 3) != 0)
			return true;
		if (read_file(dir, "memory.limit_in_bytes", text, sizeof(text)) &&
		    strtoull(text, NULL, 10) < LONG_MAX / page_bytes * page_bytes)
			return true;
		*strrchr(dir, '/') = 0;
		/* Before 5.11 a v1 parent limits its children only with memory.use_hierarchy. */
		if (read_file(dir, "memory.use_hierarchy", text, sizeof(text)) && text[0] == '0')
			return false;
	}
	return false;
}

static void enter_groups(void)
{
	/* scripts/lab/init.sh makes this file. */
	bool limited = options.guest && access("/lab/settings", F_OK) == 0;
	if (options.guest && !limited)
		fail(EXIT_REFUSED, "refusing to allocate: --guest is for guests of the kernel lab, and this is none");
	if (options.group_count == 0 && !limited)
		fail(EXIT_REFUSED, "expected --cgroup with the directory of a memory cgroup, got none: see --help");
	for (int i = 0; i < options.group_count; i++) {
		const char *group = options.groups[i];
		if (!write_file(group, "cgroup.procs", getpid()))
			fail(EXIT_REFUSED, "refusing to allocate: cannot move into %s: %s", group, strerror(errno));
		if (!is_member(group))
			fail(EXIT_REFUSED, "refusing to allocate: process %d is not in %s", getpid(), group);
		limited = limited || is_limited(group);
	}
	if (!limited)
		fail(EXIT_REFUSED, "refusing to allocate: expected a finite memory limit on %s or a group above it, got none",
		     options.groups[0]);
}

/* set_mempolicy(2), which glibc does not have. */
static void bind_memory(int node)
{
	unsigned long mask = 1UL << node;
	int mode_bind = 2; /* MPOL_BIND */
	if (syscall(SYS_set_mempolicy, mode_bind, &mask, sizeof(mask) * 8))
		fail(1, "cannot bind memory to node %d: %s", node, strerror(errno));
}

/* ---- touching memory ---- */

static char *map(size_t bytes, int protection, int flags, int fd)
{
	char *start = mmap(NULL, bytes, protection, flags, fd, 0);
	if (start == MAP_FAILED)
		fail(1, "cannot map %zu bytes: %s", bytes, strerror(errno));
	return start;
}

static void touch(char *start, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += page_bytes)
		((volatile char *)start)[at] = 1;
}

static void touch_shared(size_t bytes)
{
	if (bytes)
		touch(map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), bytes);
}

/* A hole in a file costs no disk: its pages are zeroes in the page cache. Reclaim would drop them before the first
 * kill, so they are locked. */
static void read_hole(size_t bytes)
{
	char path[PATH_MAX];
	if (!bytes)
		return;
	snprintf(path, sizeof(path), "%s/hog-XXXXXX", options.file_dir);
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || unlink(path) || ftruncate(fd, bytes))
		fail(1, "cannot make a file of %zu bytes in %s: %s", bytes, options.file_dir, strerror(errno));
	char *start = map(bytes, PROT_READ, MAP_SHARED, fd);
	if (mlock(start, bytes))
		fail(1, "cannot lock %zu bytes of a file: %s", bytes, strerror(errno));
	close(fd);
}

/* Each pipe's ring of 256 slots is one block of 10 KiB (fs/pipe.c: pipe_resize_ring). */
static void make_pipes(int count)
{
	struct rlimit most = { .rlim_cur = 2 * count + 64, .rlim_max = 2 * count + 64 };
	if (setrlimit(RLIMIT_NOFILE, &most))
		fail(1, "cannot have %d pipes open: %s", count, strerror(errno));
	for (int i = 0; i < count; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) || fcntl(ends[1], F_SETPIPE_SZ, MiB) < 0)
			fail(1, "cannot make pipe %d of %d: %s", i + 1, count, strerror(errno));
	}
}

__attribute__((noreturn)) static void sleep_until_signal(void)
{
	for (;;)
		pause();
}

static void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

/* Sleeps until the process may touch `bytes` at --rate. After a delay it touches memory faster, so that the average rate
 * is right. */
static void keep_rate(size_t bytes)
{
	double seconds = (double)bytes / options.rate;
	struct timespec due = started;
	due.tv_sec += (time_t)seconds;
	due.tv_nsec += (long)((seconds - (time_t)seconds) * 1e9);
	if (due.tv_nsec >= 1000000000) {
		due.tv_sec++;
		due.tv_nsec -= 1000000000;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

/* Touches a share of the target. The last thread that finds no memory left to touch reports for all threads. */
static void touch_target(void)
{
	size_t start, step = options.rate && options.rate / 16 < STEP ? (options.rate / 16 / page_bytes + 1) * page_bytes : STEP;
	while ((start = atomic_fetch_add(&taken, step)) < target) {
		size_t bytes = target - start < step ? target - start : step;
		if (options.rate)
			keep_rate(start);
		touch(map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), bytes);
	}
	if (atomic_fetch_sub(&busy_threads, 1) > 1)
		sleep_until_signal();
	if (!options.hold)
		fail(EXIT_SURVIVED, "touched all of --max (%zu bytes) without being killed", options.max);
	say_ready();
	sleep_until_signal();
}

/* ---- shapes of victims ----
* The helper processes end with their parent by SIGTERM, so that the only SIGKILL is the OOM killer's. */

/* A leader that has exited stays a zombie until the last thread of the process has exited. */
static void wait_for_leader_exit(void)
{
	char dir[64], text[512];
	snprintf(dir, sizeof(dir), "/proc/self/task/%d", getpid());
	for (;;) {
		const char *name_end = read_file(dir, "stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;
		if (name_end && strncmp(name_end, ") Z", 3) == 0)
			return;
		usleep(1000);
	}
}

static void *thread_main(void *number)
{
	char name[NAME_MAX_LEN + 1];
	snprintf(name, sizeof(name), "hog-%d", (int)(long)number);
	prctl(PR_SET_NAME, name);
	if (options.leader_exits)
		wait_for_leader_exit();
	touch_target();
	return NULL;
}

__attribute__((noreturn)) static void run_threads(void)
{
	for (long number = 1; number <= options.threads; number++) {
		pthread_t thread;
		int error = pthread_create(&thread, NULL, thread_main, (void *)number);
		if (error)
			fail(1, "cannot start thread %ld: %s", number, strerror(error));
	}
	if (options.leader_exits)
		pthread_exit(NULL);
	sleep_until_signal();
}

static int share_main(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NAME, "hog-share");
	sleep_until_signal();
}

static void start_sharer(void)
{
	size_t stack_bytes = 64 << 10;
	char *stack = map(stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (clone(share_main, stack + stack_bytes, CLONE_VM | SIGCHLD, NULL) < 0)
		fail(1, "cannot start a process that shares memory: %s", strerror(errno));
}

static void *sleeping_thread(void *unused)
{
	(void)unused;
	sleep_until_signal();
}

/* ptrace stops an exiting task before it frees its memory (PTRACE_EVENT_EXIT in do_exit). The OOM killer sees a task that will
 * free its memory soon, so it marks the task and does not kill it. The task ends when its ptrace tracer, this process,
 * ends. */
static void start_dying_child(size_t bytes)
{
	int status;
	pid_t child = fork();
	if (child < 0)
		fail(1, "cannot fork: %s", strerror(errno));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		prctl(PR_SET_NAME, "hog-dying");
		/* Before 5.18 the kernel sees a group exit only if there is more than one thread. */
		pthread_t thread;
		if (pthread_create(&thread, NULL, sleeping_thread, NULL) || ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
			_exit(1);
		touch(map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), bytes);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACEEXIT) || ptrace(PTRACE_CONT, child, NULL, NULL) ||
	    waitpid(child, &status, 0) != child || status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8))
		fail(1, "cannot stop process %d in the middle of its exit", child);
	say_ready();
}

/* ---- options ---- */

static size_t parse_size(const char *option, const char *text)
{
	static const char units[] = "KMG";
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? 10 * (int)(unit - units + 1) : 0;
	if (unit)
		end++;
	if (text[0] < '0' || text[0] > '9' || errno || *end || number == 0 || number > (ULLONG_MAX >> 1 >> shift))
		fail(EXIT_REFUSED, "--%s: expected a size in bytes such as 64M, got \"%s\"", option, text);
	return number << shift;
}

static int parse_number(const char *option, const char *text, int low, int high)
{
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (end == text || *end || errno || number < low || number > high)
		fail(EXIT_REFUSED, "--%s: expected a number from %d to %d, got \"%s\"", option, low, high, text);
	return (int)number;
}

/* Decodes \xNN, because the name of a process may contain any byte except NUL. */
static void parse_name(const char *text)
{
	size_t length = 0;
	for (const char *at = text; *at; length++) {
		char byte = *at++;
		if (byte == '\\') {
			char digits[3] = { at[0] == 'x' ? at[1] : 0, at[0] == 'x' && at[1] ? at[2] : 0, 0 };
			byte = isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]) ? (char)strtol(digits, NULL, 16) : 0;
			if (!byte)
				fail(EXIT_REFUSED, "--comm: expected \\xNN, and not \\x00, got \"%s\"", at - 1);
			at += 3;
		}
		if (length == NAME_MAX_LEN)
			fail(EXIT_REFUSED, "--comm: expected at most %d bytes, got \"%s\"", NAME_MAX_LEN, text);
		options.name[length] = byte;
	}
	if (length == 0)
		fail(EXIT_REFUSED, "--comm: expected at least one byte, got none");
}

static void parse_options(int argc, char **argv)
{
	enum { CGROUP = 1, GUEST, MEMBIND, MAX, HOLD, RATE, FILE_BYTES, DIR, SHM, THREADS, LEADER_EXITS, SHARE, IGNORE_TERM, DYING, PIPES, COMM, ADJ, HELP };
	static const struct option names[] = {
		{ "cgroup", required_argument, NULL, CGROUP },
		{ "guest", no_argument, NULL, GUEST },
		{ "membind", required_argument, NULL, MEMBIND },
		{ "max", required_argument, NULL, MAX },
		{ "hold", required_argument, NULL, HOLD },
		{ "rate", required_argument, NULL, RATE },
		{ "file", required_argument, NULL, FILE_BYTES },
		{ "dir", required_argument, NULL, DIR },
		{ "shm", required_argument, NULL, SHM },
		{ "threads", required_argument, NULL, THREADS },
		{ "leader-exits", no_argument, NULL, LEADER_EXITS },
		{ "share", no_argument, NULL, SHARE },
		{ "ignore-term", no_argument, NULL, IGNORE_TERM },
		{ "dying", required_argument, NULL, DYING },
		{ "pipes", required_argument, NULL, PIPES },
		{ "comm", required_argument, NULL, COMM },
		{ "adj", required_argument, NULL, ADJ },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	int option, index;
	while ((option = getopt_long(argc, argv, "", names, &index)) != -1) {
		const char *name = option == '?' ? NULL : names[index].name;
		switch (option) {
		case CGROUP:
			if (options.group_count == MAX_GROUPS)
				fail(EXIT_REFUSED, "--cgroup: expected at most %d groups", MAX_GROUPS);
			options.groups[options.group_count++] = optarg;
			break;
		case GUEST: options.guest = true; break;
		case MEMBIND: options.membind = parse_number(name, optarg, 0, 63); break;
		case MAX: options.max = parse_size(name, optarg); break;
		case HOLD: options.hold = parse_size(name, optarg); break;
		case RATE: options.rate = parse_size(name, optarg); break;
		case FILE_BYTES: options.file = parse_size(name, optarg); break;
		case DIR: options.file_dir = optarg; break;
		case SHM: options.shm = parse_size(name, optarg); break;
		case THREADS: options.threads = parse_number(name, optarg, 1, MAX_THREADS); break;
		case LEADER_EXITS: options.leader_exits = true; break;
		case SHARE: options.share = true; break;
		case IGNORE_TERM: options.ignore_term = true; break;
		case DYING: options.dying = parse_size(name, optarg); break;
		case PIPES: options.pipes = parse_number(name, optarg, 1, 500000); break;
		case COMM: parse_name(optarg); break;
		case ADJ: options.adj = parse_number(name, optarg, 0, 1000); break;
		case HELP: fputs(help, stdout); exit(0);
		default: exit(EXIT_REFUSED); /* getopt has printed the reason */
		}
	}
	if (optind < argc)
		fail(EXIT_REFUSED, "expected only options, got \"%s\"", argv[optind]);
	if (options.leader_exits && (!options.threads || options.share || options.dying))
		fail(EXIT_REFUSED, "--leader-exits: expected --threads, and neither --share nor --dying, which need their parent");
	if (options.file > options.max || options.shm > options.max - options.file ||
	    options.hold > options.max - options.file - options.shm)
		fail(EXIT_REFUSED, "expected --hold, --file and --shm together to be at most --max (%zu bytes)", options.max);
	if (options.dying > options.max)
		fail(EXIT_REFUSED, "--dying: expected at most --max (%zu bytes), got %zu", options.max, options.dying);
}

int main(int argc, char **argv)
{
	page_bytes = sysconf(_SC_PAGESIZE);
	parse_options(argc, argv);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* so that no hog remains if the test run crashes */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	enter_groups();
	if (options.membind >= 0)
		bind_memory(options.membind);
	if (options.adj >= 0 && !write_file("/proc/self", "oom_score_adj", options.adj))
		fail(1, "cannot set oom_score_adj to %d: %s", options.adj, strerror(errno));
	if (options.name[0])
		prctl(PR_SET_NAME, options.name);
	if (options.ignore_term)
		signal(SIGTERM, SIG_IGN);

	if (options.pipes)
		make_pipes(options.pipes);
	read_hole(options.file);
	touch_shared(options.shm);
	if (options.dying)
		start_dying_child(options.dying);
	if (options.share)
		start_sharer();
	target = options.hold ? options.hold : options.max - options.file - options.shm;
	clock_gettime(CLOCK_MONOTONIC, &started);
	busy_threads = options.threads ? options.threads : 1;
	if (options.threads)
		run_threads();
	touch_target();
}
