/* The programs in the containers of the proof: `eat MIB` touches so much memory and then sleeps until a signal ends it. As process 1 of a
 * container it ignores SIGTERM, like every process 1 without a handler. With the name `pause` it holds the namespaces of a pod. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MiB = 1 << 20 };

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

static void reap(int signal)
{
	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(int argc, char **argv)
{
	long mebibytes = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	if (strstr(argv[0], "pause")) {
		signal(SIGTERM, end);
		signal(SIGCHLD, reap);
	}
	for (long i = 0; i < mebibytes; i++) {
		char *memory = mmap(NULL, MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			return 3;
		memset(memory, 1, MiB);
		usleep(20 * 1000);
	}
	for (;;)
		pause();
}
