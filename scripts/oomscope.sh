#!/bin/sh
# The command `oomscope`: becomes Node. Where a cgroup allows only a few tasks, as TasksMax=10 in earlyoom's unit does, Node with its
# usual 14 to 16 threads aborts or hangs without a word. So this script counts how many tasks are left: it starts Node with fewer
# threads, or says what to do.
set -eu

ENOUGH=20 # for the usual threads of `oomscope run`, and programs that it starts
LEAST=5 # for Node itself, with the fewest threads; a guard has 8, and starts a program

case $0 in
*/*) home=$0 ;;
*) home=./$0 ;;
esac
if [ -L "$home" ]; then home=$(readlink -f "$home"); fi # npm installs a symbolic link
home=${home%/*}/..

fail() { # SENTENCE
	echo "oomscope: $1" >&2
	exit 69
}

ours= # an option that a Node of our choice has: no thread waits to open the debugger at SIGUSR1 (Node 22.14)
# A package may bring its own Node.
if [ -x "$home/bin/node" ]; then
	node=$home/bin/node
	ours=--disable-sigusr1
	# The kernel starts no program whose loader is missing, and the shell would say "not found" of a file that is there.
	if read -r loader <"$home/bin/loader" && [ ! -e "$loader" ]; then
		fail "this package needs glibc on ${loader##*/ld-linux-} (there is no $loader): take the package for this machine, or where musl is the C library, the container image."
	fi
elif [ -x "$home/build/node/bin/node" ]; then
	node=$home/build/node/bin/node # a checkout: the Node that scripts/setup.sh chose, or installed as an npm package
	if [ -e "$home/build/node/package.json" ]; then ours=--disable-sigusr1; fi
else
	node=node
	if ! command -v node >/dev/null; then
		remedy="run \`sh scripts/setup.sh\` in $(cd "$home" && pwd)"
		if [ -e "$home/installation" ]; then remedy='install it, or the Debian package or the archive of oomscope, which have their own'; fi
		fail "expected Node 22.13 or later as \"node\" in PATH, found none: $remedy."
	fi
fi

# The tasks that this process may have, itself included, by the strictest of its cgroups; empty: as many as it wants.
tasks=
while IFS=: read -r _ controllers path; do
	case ,$controllers, in
	*,pids,*) mount=/sys/fs/cgroup/pids ;;
	,,) mount=/sys/fs/cgroup ;;
	*) continue ;;
	esac
	while :; do
		if { read -r most <"$mount$path/pids.max" && read -r now <"$mount$path/pids.current"; } 2>/dev/null; then
			if [ "$most" = max ]; then left=$ENOUGH; else left=$((most - now + 1)); fi
			if [ "${tasks:-$ENOUGH}" -gt "$left" ]; then
				tasks=$left
				limit="$mount$path/pids.max is $most"
			fi
		fi
		case $path in
		*/*) path=${path%/*} ;;
		*) break ;;
		esac
	done
done </proc/self/cgroup 2>/dev/null || true

if [ "${tasks:-$ENOUGH}" -lt "$LEAST" ]; then
	fail "expected to be allowed at least $LEAST tasks, got $tasks ($limit): raise TasksMax= of the unit, or --pids-limit of the container, to 32."
fi
files=$(ulimit -Hn)
if [ "$files" != unlimited ] && [ "$files" -lt 64 ]; then # below 22 Node itself crashes
	fail "Too many files are open: raise the limit to 1024 (ulimit -n, or LimitNOFILE= of the unit); it is $files."
fi

if [ -n "$tasks" ]; then
	export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-1}"
	exec "$node" --v8-pool-size=0 --single-threaded-gc "$home/scripts/oomscope.cjs" "$@"
fi
case ${1-} in
trace | pressure | guard | run | record | metrics | web)
	# A verb that runs for long has a heap of some MB, for which V8 needs one thread instead of four, and no more for its garbage.
	exec "$node" $ours --v8-pool-size=0 --single-threaded-gc "$home/scripts/oomscope.cjs" "$@"
	;;
esac
exec "$node" "$home/scripts/oomscope.cjs" "$@"
