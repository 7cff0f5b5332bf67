#!/bin/sh
# Writes src/model/oomscope-v1.schema.json from the types in src/model. A test fails when the file is out of date.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH"
output=${1:-src/model/oomscope-v1.schema.json}
node --experimental-strip-types --disable-warning=ExperimentalWarning scripts/schema.ts "$output"
[ $# -gt 0 ] || biome format --write "$output"
