/* What memory costs after an idle time: reads one word of each cache line of 4 MiB of locked memory, in random order, after each
 * of some pauses. On a virtual machine whose host takes the pages of idle guests, this is the limit for everything that wakes up.
 *
 *   cc -O2 scripts/bench/idle-memory.c -o build/bench/idle-memory && build/bench/idle-memory [SECONDS...] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define BYTES (4u << 20)
#define LINE 64
#define LINES (BYTES / LINE)

static double now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* Each line has the number of the next one, so that the reads cannot overlap. */
static void link_lines(char *memory)
{
	uint32_t *order = malloc(LINES * sizeof(*order));
	for (uint32_t i = 0; i < LINES; i++)
		order[i] = i;
	for (uint32_t i = LINES - 1; i > 0; i--) {
		uint32_t other = (uint32_t)rand() % (i + 1), saved = order[i];
		order[i] = order[other];
		order[other] = saved;
	}
	for (uint32_t i = 0; i < LINES; i++)
		*(uint32_t *)(memory + (size_t)LINE * order[i]) = order[(i + 1) % LINES];
	free(order);
}

static double read_all(const char *memory)
{
	double begin = now_ms();
	uint32_t at = 0;
	for (uint32_t i = 0; i < LINES; i++)
		at = *(const volatile uint32_t *)(memory + (size_t)LINE * at);
	return now_ms() - begin;
}

int main(int argc, char **argv)
{
	static const char *usual[] = { "", "0.1", "1", "3", "10", "30", "60" };
	const char **idle = argc > 1 ? (const char **)argv : usual;
	int count = argc > 1 ? argc : (int)(sizeof(usual) / sizeof(*usual));
	char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED || mlock(memory, BYTES)) {
		perror("idle-memory: 4 MiB of locked memory");
		return 1;
	}
	link_lines(memory);
	printf("idle s   ms for 4 MiB\n   warm   %12.2f\n", read_all(memory));
	for (int i = 1; i < count; i++) {
		double seconds = atof(idle[i]);
		nanosleep(&(struct timespec){ (time_t)seconds, (long)((seconds - (long)seconds) * 1e9) }, NULL);
		printf("%7s   %12.2f\n", idle[i], read_all(memory));
		fflush(stdout);
	}
	return 0;
}
