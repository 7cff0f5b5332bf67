/* Moves into a memory cgroup and forks COUNT idle processes there, which run until stdin is closed. Each process touches a
 * few pages, so that it has some memory. usage: crowd CGROUP COUNT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[4096];
	int count = argc == 3 ? atoi(argv[2]) : 0;

	if (count < 1) {
		fprintf(stderr, "usage: crowd CGROUP COUNT\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", argv[1]);
	int procs = open(path, O_WRONLY | O_CLOEXEC);
	if (procs < 0 || write(procs, "0", 1) != 1) {
		perror(path);
		return 1;
	}
	pid_t parent = getpid();
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				return 1;
			char *touched = malloc(64 << 10);
			memset(touched, 1, 64 << 10);
			for (;;)
				pause();
		}
	}
	printf("ready\n");
	fflush(stdout);
	while (read(0, path, sizeof(path)) > 0)
		;
	return 0; /* the kernel ends the other processes with this one */
}
