#!/bin/sh
# Records the picture of README.md: `oomscope trace --lead-up` in its own tmux terminal, while `npm run demo -- --slow`
# runs.
#
#   npm run docs:picture        needs root and tmux, takes a minute; writes docs/images/trace.svg
set -eu
cd "$(dirname "$0")/../.."
sh scripts/setup.sh
node=$PWD/build/node/bin/node
strip="$node --experimental-strip-types --disable-warning=ExperimentalWarning"
session=oomscope-picture-$$
shell=$(mktemp)
trap 'tmux kill-session -t "$session" 2>/dev/null || :; rm -f "$shell"' EXIT

printf 'PS1="# "\noomscope() { %s dist/cli/main.js "$@"; }\nclear\n' "$node" >"$shell"
tmux new-session -d -s "$session" -x 116 -y 20 "bash --noprofile --rcfile '$shell' -i"
tmux send-keys -t "$session" "oomscope trace --lead-up --cgroup /shop --count 1" Enter
tries=0
until tmux capture-pane -p -t "$session" | grep -q 'Ctrl-C'; do
	tries=$((tries + 1))
	[ "$tries" -lt 300 ] || { echo 'picture: the tracer did not start' >&2; exit 1; }
	sleep 0.1
done
$strip dist/cli/main.js demo --slow 2>/dev/null
until tmux capture-pane -p -t "$session" | grep -q 'Stopped after'; do
	tries=$((tries + 1))
	[ "$tries" -lt 600 ] || { echo 'picture: no kill was seen' >&2; exit 1; }
	sleep 0.1
done
tmux capture-pane -e -p -t "$session" | grep -v "^# *$" |
	$strip scripts/docs/terminal-svg.ts 'oomscope trace reports an OOM kill in a terminal' >docs/images/trace.svg
ls -l docs/images/trace.svg
