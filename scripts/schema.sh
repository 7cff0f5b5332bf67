#!/bin/sh
# Writes src/model/oomscope-v1.schema.json from the types in src/model/events.ts. A test says when it is out of date.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH"
ts-json-schema-generator --path src/model/events.ts --type Event --tsconfig tsconfig.json --no-type-check \
	--additional-properties --out "${1:-src/model/oomscope-v1.schema.json}"
