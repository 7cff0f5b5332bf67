// SPDX-License-Identifier: GPL-2.0-only
/* Sends the kernel's own report of an OOM, line by line, from the tracepoint printk:console.
 *
 * Since 5.19 the kernel calls the tracepoint in printk() itself (kernel/printk/printk.c, printk_sprint()). The current
 * task is then the trigger, which prints the report, so the lines of two reports are never mixed and other lines are
 * left out. Before 5.19 it calls the tracepoint when a line is written to the console, with its prefix, in the task
 * that holds the console lock. There the program sends every line from the first line of a report to its last. The
 * records have a ring of their own, because one report may be longer than the records of all kills of a day. */
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"
#include "tracepoint.bpf.h"
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#define PREFIX_LEN 64  /* the longest "[ time][ caller] " */
#define OPENING_LEN 48 /* the longest "Memory cgroup out of memory: " or similar */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);   /* tid of the printing task; before 5.19 always 0 */
	__type(value, u64); /* start time of the task whose report is being printed */
} reporting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct log_line_record);
} line SEC(".maps");

static __always_inline u64 word(const char *text)
{
	u64 eight;
	__builtin_memcpy(&eight, text, sizeof(eight));
	return eight;
}

/* Returns the length of a console line's prefix. */
static __always_inline u32 prefix_length(const char *text)
{
	for (u32 i = 0; i < PREFIX_LEN - 2; i++)
		if (text[i] == ']' && text[i + 1] == ' ')
			return i + 2;
	return 0;
}

/* Returns LINE_FIRST, LINE_LAST or 0. The texts are from mm/oom_kill.c: the first line of a report is "COMM invoked
 * oom-killer: ...", and the first line about memory.oom.group is "Tasks in GROUP are going to be killed ...". The last
 * line is "REASON: Killed process ..." or "REASON and no killable processes...". A comm may be any text, so only the
 * kernel's own words are compared. */
static __always_inline u8 place_of(const char *text)
{
	const u64 invoked = word(" invoked"), tasks = word("Tasks in"), killed = word("Killed p"),
		  none = word("killable");

	if (word(text) == tasks)
		return LINE_FIRST;
	for (int i = 1; i < TASK_COMM_LEN; i++)
		if (word(text + i) == invoked)
			return LINE_FIRST;
	const u64 start = word(text);
	if (start != word("Memory c") && start != word("Out of m") && start != killed)
		return 0;
	for (int i = 0; i < OPENING_LEN; i++)
		if (word(text + i) == killed || word(text + i) == none)
			return LINE_LAST;
	return 0;
}

/* Returns whether a line feed ends the text. printk_sprint() does not count the line feed in `length`, but leaves it in
 * the buffer: after the text or, when it has also removed a log level ("\0016") from the front, two bytes later. */
static __always_inline bool line_ends(const char *text, u64 length)
{
	char behind[3] = {};

	if (bpf_probe_read_kernel(behind, sizeof(behind), text + length))
		return true;
	return behind[0] == '\n' || (behind[0] != 0 && behind[2] == '\n');
}

static __always_inline int printed(const char *text, u64 length)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u32 zero = 0, key, tid = bpf_get_current_pid_tgid();
	u64 start_ns = BPF_CORE_READ(task, start_boottime);
	struct log_line_record *r = bpf_map_lookup_elem(&line, &zero);

	if (!r)
		return 0;
	if (length > LOG_TEXT_LEN)
		length = LOG_TEXT_LEN;
	__builtin_memset(r->text, 0, PREFIX_LEN + OPENING_LEN + 8);
	/* A length of 0 means that only a line feed was printed: it ends a line that was printed in pieces. */
	if (length && bpf_probe_read_kernel(r->text, length, text))
		return 0;
	bool formatted = length && r->text[(length - 1) & (LOG_TEXT_LEN - 1)] == '\n';
	key = formatted ? 0 : tid;
	u8 place = place_of(r->text + (formatted ? prefix_length(r->text) & (PREFIX_LEN - 1) : 0));
	u64 *reporter = bpf_map_lookup_elem(&reporting, &key);
	bool open = reporter && (formatted || *reporter == start_ns);
	if (!open && !place)
		return 0;
	if (place == LINE_LAST)
		bpf_map_delete_elem(&reporting, &key);
	else if (place == LINE_FIRST)
		bpf_map_update_elem(&reporting, &key, &start_ns, BPF_ANY);

	record_begin(&r->header, RECORD_LOG_LINE);
	r->printer_tid = tid;
	r->printer_start_ns = start_ns;
	r->length = length;
	r->flags = place | (formatted ? LINE_FORMATTED | LINE_ENDS : line_ends(text, length) ? LINE_ENDS : 0);
	/* The verifier needs this check next to the computation of the size. */
	u64 size = __builtin_offsetof(struct log_line_record, text) + length;
	if (size > sizeof(*r))
		return 0;
	bool filling = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 4;
	return record_send(&r->header, RECORD_LOG_LINE, size,
			   place == LINE_LAST || filling ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

TRACEPOINT(console, "console", printed(text, length), const char *text, u64 length)
