#!/bin/sh
# Builds everything that is missing or out of date: system packages, a new enough Node, npm packages, native code, JavaScript.
#
# `npm start`, `npm test` and the other scripts run this first. If there is nothing to do, it takes 20 ms: it compares the
# sources with the stamp of the last run by one `find`, and starts neither npm nor Node. All output goes to build/, dist/ and
# node_modules/, which may be deleted at any time. Messages go to stderr, because `npm -s start -- --json` pipes stdout.
set -eu
exec </dev/null >&2
cd "$(dirname "$0")/.."

NODE=24.21.0 # installed from npm if the system's Node is older than "engines" in package.json
stamp=build/.setup

say() { printf 'setup: %s\n' "$*"; }
die() { status=$1; shift; say "$*"; exit "$status"; }

# True if OUTPUT is missing or older than a file in INPUTS.
stale() { # OUTPUT INPUTS...
	output=$1; shift
	[ ! -e "$output" ] || [ -n "$(find "$@" -type f -newer "$output" -print -quit)" ]
}

# Prints SENTENCE and runs COMMAND. Its output is printed only if it fails.
step() { # SENTENCE COMMAND...
	sentence=$1; shift
	say "$sentence"
	"$@" >build/.log 2>&1 || { cat build/.log; die 1 "failed to $sentence; the output above says why."; }
}

# Runs a step that makes OUTPUT, and sets the time of OUTPUT to the begin of the step, so that a source that is edited
# meanwhile is newer.
make_file() { # OUTPUT SENTENCE COMMAND...
	made=$1; shift
	: >build/.began
	step "$@"
	touch -r build/.began "$made"
}

# Prints the output of a source: build/NAME.bpf.o for bpf/NAME.bpf.c, build/NAME for scripts/NAME.c. The object of the
# tracer has the name of the project.
built_of() { # SOURCE
	case $1 in
		bpf/oom.bpf.c) echo build/oomscope.bpf.o ;;
		bpf/*) name=${1#bpf/}; echo "build/${name%.c}.o" ;;
		*) name=${1#scripts/}; echo "build/${name%.c}" ;;
	esac
}

# True if every output exists and is newer than every source. The stamp has the time when the last run began. This script
# generates src/bpf/wire/layout.ts during a run, so this file would always look newer than the stamp, and is left out.
done_before() {
	for source in bpf/*.bpf.c scripts/*.c; do
		[ -e "$(built_of "$source")" ] || return 1
	done
	for made in build/node/bin/node build/oomscope.node src/bpf/wire/layout.ts dist/index.js \
		dist/cli/main.js dist/vendor/nats.js node_modules/.setup build/ffi.cjs build/ffi_bindings.node build/ref_bindings.node; do
		[ -e "$made" ] || return 1
	done
	! stale "$stamp" package.json package-lock.json tsconfig.json scripts native bpf src ! -path src/bpf/wire/layout.ts
}
if done_before; then exit 0; fi

# --- one setup at a time: `npm start` and `npm run demo` in two terminals must not share an unfinished build ---
mkdir -p build
exec 9>build/.lock
flock -n 9 || { say 'another setup is running in this clone; waiting for it'; flock 9; }
if done_before; then exit 0; fi

# --- 1. the C library, and system packages: a command or header of the package, and its Debian name ---
if ldd --version 2>&1 | grep -q musl; then die 69 "$(sh scripts/distribution.sh)"; fi
sh scripts/packages.sh setup <<-END
	clang clang
	llvm-strip llvm
	g++ g++
	make make
	cmake cmake
	python3 python3
	/usr/include/bpf/libbpf.h libbpf-dev
	node nodejs
	npm npm
END

: >"$stamp.new" # its time is the present, so that a source that is edited during this run is newer

case $(uname -m) in
	x86_64) node_arch=x64 bpf_arch=x86 ;;
	aarch64) node_arch=arm64 bpf_arch=arm64 ;;
	*) die 69 "expected an x86_64 or aarch64 machine, got $(uname -m)." ;;
esac

# --- 2. Node: build/node links to a prefix with bin/node and the headers of that Node, which ffi-napi needs ---
prefix=$(node -e '
	const [major, minor] = process.versions.node.split(".").map(Number)
	const prefix = require("path").resolve(process.execPath, "../..")
	const fit = major > 22 || (major === 22 && minor >= 13)
	if (fit && require("fs").existsSync(prefix + "/include/node/node_api.h")) console.log(prefix)') || prefix=
if [ -z "$prefix" ]; then
	home=build/node-$NODE
	# npm writes this file last. If it is missing, the download was not finished.
	[ -e "$home/node_modules/.package-lock.json" ] ||
		step "install Node $NODE into build/ (the system's is $(node -v), or has no headers)" npm install \
			--prefix "$home" --no-save --no-package-lock --ignore-scripts --loglevel=error "node-linux-$node_arch@$NODE"
	prefix=node-$NODE/node_modules/node-linux-$node_arch
fi
ln -sfn "$prefix" build/node
PATH=$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH

# --- 3. npm packages; ffi-napi and ref-napi have native code that must be built ---
# `npm ci` removes node_modules with the stamp in it, so that native code from another node-gyp is built again.
if stale node_modules/.setup package-lock.json; then
	# npm 12 blocks install scripts, and older versions run all of them. Run none here; build the two packages below.
	make_file node_modules/.setup 'install the npm packages' npm ci --ignore-scripts --loglevel=error
fi
for addon in @2060.io/ref-napi:binding:ref_bindings ffi-napi:ffi_bindings:ffi_bindings; do
	module=node_modules/${addon%%:*}
	compiled=${addon#*:}
	made=$module/build/Release/${compiled%:*}.node
	[ -e "$made" ] ||
		# The node-gyp inside Debian's npm links to Debian's own Node, and two Nodes in one process crash. The nodedir
		# saves a download of headers; it is a variable because npm may have set another.
		step "build ${addon%%:*}" env "npm_config_nodedir=$PWD/build/node" "CFLAGS=-ffile-prefix-map=$PWD=." \
			"CXXFLAGS=-ffile-prefix-map=$PWD=." node-gyp rebuild --jobs max -C "$module"
	# `install` makes a new file instead of writing to the old one, because a process may have the old file mapped.
	cmp -s "$made" "build/${compiled#*:}.node" || install -m 755 "$made" "build/${compiled#*:}.node"
done
if stale build/ffi.cjs native/ffi.cjs scripts/bundle-ffi.ts package-lock.json; then
	make_file build/ffi.cjs 'bundle ffi-napi' node --experimental-strip-types --disable-warning=ExperimentalWarning \
		scripts/bundle-ffi.ts build
fi
if stale dist/vendor/nats.js scripts/bundle-nats.ts package-lock.json; then
	make_file dist/vendor/nats.js 'bundle the client of NATS' node --experimental-strip-types \
		--disable-warning=ExperimentalWarning scripts/bundle-nats.ts dist/vendor
fi

# --- 4. the BPF objects: without DWARF, with BTF ---
bpf() { # SOURCE OUTPUT
	clang -O2 -g -target bpf -mcpu=v2 "-ffile-prefix-map=$PWD=." "-D__TARGET_ARCH_$bpf_arch" "-I/usr/include/$(uname -m)-linux-gnu" \
		-Wall -Wextra -Wno-unused-parameter -c "$1" -o "$2.debug" && llvm-strip -g -o "$2" "$2.debug"
}
for source in bpf/*.bpf.c; do
	output=$(built_of "$source")
	if stale "$output" bpf; then make_file "$output" "compile $source" bpf "$source" "$output"; fi
done

# --- 5. the addon, and the programs that the demo and the tests run ---
if stale build/oomscope.node native; then
	# In a copy of a built tree, CMake's cache still names the original tree, and CMake would build there.
	grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD/native" build/native/CMakeCache.txt || rm -rf build/native
	make_file build/oomscope.node 'build the addon' cmake-js compile -d native -O "$PWD/build/native"
fi
for source in scripts/*.c; do
	output=$(built_of "$source")
	if stale "$output" "$source"; then
		make_file "$output" "compile $source" cc -O2 -Wall -Wextra -pthread "$source" -o "$output"
	fi
done

# --- 6. JavaScript: generate the layout of the wire from the BTF of its object, then compile src ---
objects=
for source in bpf/*.bpf.c; do
	case $source in
	*flood* | *wire*) ;; # not loaded by users; without fields of the kernel
	*) objects="$objects $(built_of "$source")" ;;
	esac
done
# shellcheck disable=SC2086 # a list of words
if stale src/bpf/wire/layout.ts build/wire.bpf.o $objects scripts/layout.ts src/bpf/libbpf/btf.ts; then
	make_file src/bpf/wire/layout.ts 'write src/bpf/wire/layout.ts' node --experimental-strip-types \
		--disable-warning=ExperimentalWarning scripts/layout.ts build/wire.bpf.o src/bpf/wire/layout.ts $objects
fi
# Compiles the library to modules, bundles the command with its own RxJS, and checks the types of the command, in parallel.
compile() {
	# tsc does not check whether its output exists: with its build information it would not write the output again.
	[ -e dist/index.js ] || rm -f dist/.tsbuildinfo
	tsc -p . & library=$!
	tsc -p src/cli & types=$!
	done=true
	node --experimental-strip-types --disable-warning=ExperimentalWarning scripts/bundle.ts dist/cli || done=false
	wait "$library" || done=false
	wait "$types" || done=false
	# tsc does not remove the output of a source that was removed, and imports of that output would still work.
	find dist \( -path dist/cli -o -path dist/vendor \) -prune -o -name '*.js' -print | while read -r module; do
		source=src/${module#dist/}
		[ -e "${source%.js}.ts" ] || rm -f "$module" "${module%.js}.d.ts"
	done
	"$done"
}
# tsc writes dist/ even if there are type errors, so a stamp says whether the last run succeeded.
if stale build/.tsc src tsconfig.json package-lock.json scripts/bundle.ts scripts/chunks.ts scripts/lean-builtins.ts scripts/page || [ ! -e dist/index.js ] || [ ! -e dist/cli/main.js ]; then
	mkdir -p dist
	make_file build/.tsc 'compile src' compile
fi

mv "$stamp.new" "$stamp"
