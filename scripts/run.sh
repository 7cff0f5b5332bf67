#!/bin/sh
# Runs FILE (.js or .ts, relative to the repository) with the Node that setup.sh chose: run.sh FILE ARGS...
# The shell replaces itself with Node (exec), so that signals and exit codes are those of Node.
set -eu
root=$(dirname "$0")/..
file=$1
shift
sh "$root/scripts/setup.sh"
# Node 22.13 to 22.17 strip types only with an option.
exec "$root/build/node/bin/node" --experimental-strip-types --disable-warning=ExperimentalWarning "$root/$file" "$@"
