#!/bin/sh
# Runs a command with an addon that was built with AddressSanitizer and UndefinedBehaviorSanitizer:
#
#   sh scripts/sanitize.sh vitest run test/kernel/addon.test.ts
#
# A report ends the process and is a file in build/sanitized/reports; then this exits with 1. Leaks are not reported, because
# Node does not free everything at its end.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
PATH=$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH
made=$PWD/build/sanitized
reports=$made/reports

mkdir -p "$made"
grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD/native" build/native-sanitized/CMakeCache.txt || rm -rf build/native-sanitized
cmake-js compile -d native -O "$PWD/build/native-sanitized" --CDSANITIZE=ON >"$made/build.log" 2>&1 || {
	cat "$made/build.log" >&2
	exit 1
}
# The other native files, so that OOMSCOPE_NATIVE has all of them.
for file in build/*.bpf.o build/ffi.cjs build/*_bindings.node; do
	ln -sfn "../${file#build/}" "$made/${file#build/}"
done
rm -rf "$reports"
mkdir -p "$reports"

# Node itself is built without the sanitizers, so their runtime must be there before the addon.
export OOMSCOPE_NATIVE="$made"
export LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)"
export ASAN_OPTIONS="detect_leaks=0:allow_user_segv_handler=1:log_path=$reports/asan"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/ubsan"
status=0
"$@" || status=$?
for report in "$reports"/*; do
	[ -e "$report" ] || continue
	cat "$report" >&2
	status=1
done
exit "$status"
