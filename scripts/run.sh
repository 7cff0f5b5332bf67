#!/bin/sh
# Runs FILE (.js or .ts, relative to the repository) with the Node that setup.sh chose: run.sh FILE ARGS...
# It becomes that Node, so signals and exit codes are Node's own.
set -eu
root=$(dirname "$0")/..
file=$1
shift
sh "$root/scripts/setup.sh"
# Node 22.13 to 22.17 strip types only when told to.
exec "$root/build/node/bin/node" --experimental-strip-types --disable-warning=ExperimentalWarning "$root/$file" "$@"
