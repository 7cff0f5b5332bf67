#!/bin/bash
# The usual shell loop: runs three commands for each process, then prints the ten processes with the highest scores.
for directory in /proc/[0-9]*; do
	pid=${directory#/proc/}
	score=$(cat "$directory/oom_score" 2>/dev/null || echo 0)
	adj=$(cat "$directory/oom_score_adj" 2>/dev/null || echo 0)
	comm=$(cat "$directory/comm" 2>/dev/null || echo unknown)
	printf '%s %s %s %s\n' "$score" "$adj" "$pid" "$comm"
done | sort -rn | head -10
