/* Watches one run. The shortage does not affect the referee: it cannot be killed, its memory is locked, and it runs
 * before all other processes. It starts the killer, the innocent processes and the offenders ("eaters"), and prints one
 * line of JSON with the results.
 *
 *   referee [--daemon COMMAND --ready TEXT [--daemon-group DIR] | --daemon-pid PID] [--log FILE] [--group DIR]
 *           [--innocent COMMAND]... --eater COMMAND... --limit SECONDS
 *
 * A COMMAND is split at blanks. Its output is kept in the working directory, and the output of the killer in --log.
 * With --daemon-pid the killer already runs, and each COMMAND finds its own cgroup. With --group the innocent and the
 * eaters are in this cgroup (v1 or v2), and memory is short when 90 % of its limit are used; without, when available
 * memory and free swap are both at most 10 %, as earlyoom counts them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 16
#define LOOK_MS 5
#define BEAT_MS 10
#define READY_SECONDS 120 /* of the time of the guest, whose clock counts instructions */
#define SETTLE_MS 2500  /* a killer may still work after it says that it is ready */
#define IDLE_MS 1000    /* during this time the idle CPU time of the killer is measured */
#define CALM_MS 6000    /* the innocent processes run for a while, so that none has just grown */
#define QUIET_SECONDS 2 /* the shortage is over when there was enough memory for this time */

struct process {
	pid_t pid;
	const char *command;
	bool gone;
};

static struct process innocent[MOST], eaters[MOST];
static int innocents, eater_count;
static const char *group;
static int usage_fd, limit_fd;
static volatile double *longest_stall;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

/* This file is kept open, because opening a file allocates memory, and the referee would have to wait for it. */
static void read_again(int fd, char *text, size_t size)
{
	ssize_t length = pread(fd, text, size - 1, 0);
	text[length < 0 ? 0 : length] = 0;
}

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = read(fd, text, size - 1);
	close(fd);
	text[length < 0 ? 0 : length] = 0;
	return length >= 0;
}

static void write_number(const char *dir, const char *file, long number)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *out = fopen(path, "we");
	if (!out || fprintf(out, "%ld", number) < 0 || fclose(out))
		fail(path);
}

static long figure(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	return at ? atol(at + strlen(name)) : 0;
}

static int open_either(const char *dir, const char *file, const char *other)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && other)
		return open_either(dir, other, NULL);
	if (fd < 0)
		fail(path);
	return fd;
}

static int open_file(const char *dir, const char *file)
{
	return open_either(dir, file, NULL);
}

/* The share of memory that is free, from 0 to 1. */
static double headroom(void)
{
	static char text[4096], most[32];
	read_again(usage_fd, text, sizeof(text));
	if (group) {
		read_again(limit_fd, most, sizeof(most));
		return 1 - atof(text) / atof(most);
	}
	double available = figure(text, "MemAvailable:"), anonymous = figure(text, "AnonPages:");
	double swap = figure(text, "SwapTotal:"), left = available / (available + anonymous);
	double swap_left = swap ? figure(text, "SwapFree:") / swap : 0;
	return left > swap_left ? left : swap_left;
}

static long kernel_kills(void)
{
	static char text[16384];
	read_file("/proc/vmstat", text, sizeof(text));
	return figure(text, "\noom_kill ");
}

/* Restores the defaults in a child, which is then neither protected from the OOM killer nor at real-time priority. */
static pid_t start(const char *command, const char *output, const char *in)
{
	char *words[32], *copy = strdup(command);
	int count = 0;
	for (char *word = strtok(copy, " "); word && count < 31; word = strtok(NULL, " "))
		words[count++] = word;
	words[count] = NULL;
	pid_t pid = fork();
	if (pid)
		return pid;
	setsid();
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 });
	if (in)
		write_number(in, "cgroup.procs", getpid());
	write_number("/proc/self", "oom_score_adj", 0);
	int fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		fail(output);
	execvp(words[0], words);
	fail(words[0]);
	return -1;
}

static void wait_for(const char *path, const char *wanted)
{
	static char text[65536];
	for (double until = now() + READY_SECONDS; now() < until; pause_ms(20))
		if (read_file(path, text, sizeof(text)) && strstr(text, wanted))
			return;
	fprintf(stderr, "referee: %s: expected \"%s\" within %d s, got: %s\n", path, wanted, READY_SECONDS, text);
	exit(1);
}

/* The heartbeat: an ordinary process that does a little work every 10 ms, with a little memory of its own. */
static void beat(void)
{
	static char memory[1 << 20];
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 });
	prctl(PR_SET_NAME, "heartbeat");
	write_number("/proc/self", "oom_score_adj", 0);
	for (double last = now();;) {
		pause_ms(BEAT_MS);
		for (size_t at = 0; at < sizeof(memory); at += 4096)
			memory[at]++;
		double stall = now() - last - BEAT_MS / 1e3;
		if (stall > *longest_stall)
			*longest_stall = stall;
		last = now();
	}
}

static double cpu_seconds(pid_t pid)
{
	clockid_t clock;
	struct timespec time = { 0 };
	if (!pid || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return time.tv_sec + time.tv_nsec / 1e9;
}

static long resident_kib(pid_t pid)
{
	static char text[128];
	static int fd = -1;
	long pages = 0;
	if (!pid)
		return 0;
	if (fd < 0) {
		snprintf(text, sizeof(text), "/proc/%d", pid);
		fd = open_file(text, "statm");
	}
	read_again(fd, text, sizeof(text));
	sscanf(text, "%*d %ld", &pages);
	return pages * 4;
}

static bool mark_gone(struct process *list, int count, pid_t pid)
{
	for (int i = 0; i < count; i++)
		if (list[i].pid == pid)
			return list[i].gone = true;
	return false;
}

int main(int argc, char **argv)
{
	const char *daemon = NULL, *daemon_group = NULL, *ready = NULL, *log = "daemon.log";
	double limit = 30;
	pid_t killer = 0;
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *option = argv[i], *value = argv[i + 1];
		if (!strcmp(option, "--daemon")) daemon = value;
		else if (!strcmp(option, "--ready")) ready = value;
		else if (!strcmp(option, "--daemon-group")) daemon_group = value;
		else if (!strcmp(option, "--daemon-pid")) killer = atoi(value);
		else if (!strcmp(option, "--log")) log = value;
		else if (!strcmp(option, "--group")) group = value;
		else if (!strcmp(option, "--limit")) limit = atof(value);
		else if (!strcmp(option, "--innocent") && innocents < MOST) innocent[innocents++].command = value;
		else if (!strcmp(option, "--eater") && eater_count < MOST) eaters[eater_count++].command = value;
		else return fprintf(stderr, "referee: expected one of its options, got %s\n", option), 2;
	}
	longest_stall = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (longest_stall == MAP_FAILED || mlockall(MCL_CURRENT | MCL_FUTURE))
		fail("memory");
	if (!group) /* with --group the referee is not in the cgroup that runs out of memory */
		write_number("/proc/self", "oom_score_adj", -1000);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 50 });
	usage_fd = group ? open_either(group, "memory.current", "memory.usage_in_bytes") : open_file("/proc", "meminfo");
	limit_fd = group ? open_either(group, "memory.max", "memory.limit_in_bytes") : -1;

	const char *in = killer ? NULL : group;
	if (daemon) {
		killer = start(daemon, log, daemon_group);
		if (ready)
			wait_for(log, ready);
	}
	pause_ms(SETTLE_MS);
	double idle_from = now(), idle_cpu = cpu_seconds(killer);
	pause_ms(IDLE_MS);
	double idle_share = (cpu_seconds(killer) - idle_cpu) / (now() - idle_from);
	for (int i = 0; i < innocents; i++) {
		char said[32];
		snprintf(said, sizeof(said), "innocent.%d", i);
		innocent[i].pid = start(innocent[i].command, said, in);
		wait_for(said, "ready");
	}
	pid_t heart = fork();
	if (!heart)
		beat();
	pause_ms(innocents ? CALM_MS : 0);
	*longest_stall = 0;

	long kills = kernel_kills(), resident = resident_kib(killer), resident_before = resident;
	double begin = now(), cpu = cpu_seconds(killer), first_headroom = headroom(), least = 1;
	double short_at = 0, back_at = 0, first_death = 0, enough_since = 0, none_since = 0;
	int lost = 0, eaten = 0, killer_died = 0, stormed = 0;
	for (int i = 0; i < eater_count; i++)
		eaters[i].pid = start(eaters[i].command, "eater", in);
	for (; now() - begin < limit; pause_ms(LOOK_MS)) {
		int status;
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
			if (pid == killer) {
				killer_died = 1;
			} else if (pid == heart || mark_gone(innocent, innocents, pid)) {
				lost++;
			} else {
				eaten++;
				stormed |= !mark_gone(eaters, eater_count, pid);
			}
			if (!first_death && pid != killer)
				first_death = now();
		}
		double at = now(), left = headroom();
		least = left < least ? left : least;
		if (left <= 0.1) {
			short_at = short_at ? short_at : at;
			back_at = enough_since = 0;
		} else {
			back_at = short_at && !back_at ? at : back_at;
			enough_since = enough_since ? enough_since : at;
		}
		long now_resident = killer_died ? 0 : resident_kib(killer);
		resident = now_resident > resident ? now_resident : resident;
		bool living = false;
		for (int i = 0; i < eater_count; i++)
			living |= !eaters[i].gone;
		none_since = living ? 0 : none_since ? none_since : at;
		if (enough_since && at - enough_since > QUIET_SECONDS &&
		    ((first_death && at - first_death > QUIET_SECONDS) || none_since) && (!living || lost || stormed))
			break;
	}
	double end = now(), spent = killer_died ? 0 : cpu_seconds(killer) - cpu;
	bool living = false;
	for (int i = 0; i < eater_count; i++)
		living |= !eaters[i].gone;
	printf("{\"lost\":%d,\"eaten\":%d,\"eater_living\":%s,\"kernel_kills\":%ld,\"killer_died\":%s,"
	       "\"first_headroom\":%.3f,\"least_headroom\":%.3f,\"seconds\":%.3f,\"first_death_s\":%.3f,\"short_s\":%.3f,"
	       "\"back_s\":%.3f,\"stall_ms\":%.1f,\"rss_kib\":%ld,\"rss_most_kib\":%ld,\"cpu\":%.5f,\"idle_cpu\":%.5f}\n",
	       lost, eaten, living ? "true" : "false", kernel_kills() - kills, killer_died ? "true" : "false",
	       first_headroom, least, end - begin, first_death ? first_death - begin : -1, short_at ? short_at - begin : -1,
	       back_at ? back_at - begin : -1, *longest_stall * 1e3, resident_before, resident, spent / (end - begin),
	       idle_share);
	fflush(stdout);
	for (int i = 0; i < innocents; i++)
		if (!innocent[i].gone)
			kill(innocent[i].pid, SIGKILL);
	for (int i = 0; i < eater_count; i++)
		if (!eaters[i].gone)
			kill(-eaters[i].pid, SIGKILL);
	if (daemon && !killer_died) {
		kill(killer, SIGTERM);
		pause_ms(300);
	}
	kill(heart, SIGKILL);
	return 0;
}
