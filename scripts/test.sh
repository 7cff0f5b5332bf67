#!/bin/sh
# Everything a change must pass. Arguments go to vitest: npm test -- test/kernel -t 'one test'
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
sh scripts/packages.sh test <scripts/test-packages ||
	echo 'test: going on; what needs these packages is skipped' >&2
export PATH="$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH"
npm -s run lint
exec vitest run --config test/vitest.config.ts "$@"
