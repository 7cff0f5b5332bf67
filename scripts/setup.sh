#!/bin/sh
# Makes a fresh clone ready to run: system packages, a Node that is new enough, npm packages, native code, JavaScript.
#
# Every way in (npm start, test, run demo) calls this first, so a run with nothing to do must cost nothing: one `find`
# against the stamp of the last run, no npm and no node. Everything made goes to build/, dist/ and node_modules/, which
# may be deleted at any time. All talk goes to stderr: `npm -s start -- --json` pipes its stdout.
set -eu
exec </dev/null >&2
cd "$(dirname "$0")/.."

NODE=24.21.0 # fetched from the npm registry where the system's Node is older than package.json's "engines"
stamp=build/.setup

say() { printf 'setup: %s\n' "$*"; }
die() { status=$1; shift; say "$*"; exit "$status"; }

# True when OUTPUT is missing, or older than a file in INPUTS.
stale() { # OUTPUT INPUTS...
	output=$1; shift
	[ ! -e "$output" ] || [ -n "$(find "$@" -type f -newer "$output" -print -quit)" ]
}

# Says what is being done and does it; the command's output is shown only when it fails.
step() { # SENTENCE COMMAND...
	sentence=$1; shift
	say "$sentence"
	"$@" >build/.log 2>&1 || { cat build/.log; die 1 "failed to $sentence; the output above says why."; }
}

# A step that makes OUTPUT, which gets the date when the step began: an edit made meanwhile is newer.
make_file() { # OUTPUT SENTENCE COMMAND...
	made=$1; shift
	: >build/.began
	step "$@"
	touch -r build/.began "$made"
}

# What is compiled of a source: of bpf/NAME.bpf.c build/NAME.bpf.o, of scripts/NAME.c build/NAME. The tracer's object has
# the project's name.
built_of() { # SOURCE
	case $1 in
		bpf/oom.bpf.c) echo build/oomscope.bpf.o ;;
		bpf/*) name=${1#bpf/}; echo "build/${name%.c}.o" ;;
		*) name=${1#scripts/}; echo "build/${name%.c}" ;;
	esac
}

# True when all that is made is there, and newer than all it is made from. The stamp has the date when the last run began,
# so src/bpf/wire/layout.ts, which is made here and only from what is compared anyway, would always look new.
done_before() {
	for source in bpf/*.bpf.c scripts/*.c; do
		[ -e "$(built_of "$source")" ] || return 1
	done
	for made in build/node/bin/node build/oomscope.node src/bpf/wire/layout.ts dist/index.js \
		dist/cli/main.js node_modules/.setup node_modules/ffi-napi/build/Release/ffi_bindings.node; do
		[ -e "$made" ] || return 1
	done
	! stale "$stamp" package.json package-lock.json tsconfig.json scripts native bpf src ! -path src/bpf/wire/layout.ts
}
if done_before; then exit 0; fi

# --- one at a time: `npm start` and `npm run demo` in two terminals of a fresh clone must not share a half-made build ---
mkdir -p build
exec 9>build/.lock
flock -n 9 || { say 'another setup is running here; waiting for it'; flock 9; }
if done_before; then exit 0; fi

# --- 1. system packages: a command or header that shows the package is there, and its Debian name ---
sh scripts/packages.sh setup 'clang llvm libbpf-devel gcc-c++ make cmake python3 (Fedora),
clang llvm libbpf base-devel cmake python (Arch)' <<-END
	clang clang
	llvm-strip llvm
	g++ g++
	make make
	cmake cmake
	python3 python3
	/usr/include/bpf/libbpf.h libbpf-dev
END
command -v npm >/dev/null || die 69 'npm is needed; install Node with npm (Debian: apt-get install nodejs npm) and try again.'

: >"$stamp.new" # dated now, so that what is edited while this runs counts as newer

case $(uname -m) in
	x86_64) node_arch=x64 bpf_arch=x86 ;;
	aarch64) node_arch=arm64 bpf_arch=arm64 ;;
	*) die 69 "expected an x86_64 or aarch64 machine, got $(uname -m)." ;;
esac

# --- 2. Node: build/node is a link to a prefix with bin/node and, for ffi-napi, the headers of that same Node ---
prefix=$(node -e '
	const [major, minor] = process.versions.node.split(".").map(Number)
	const prefix = require("path").resolve(process.execPath, "../..")
	const fit = major > 22 || (major === 22 && minor >= 13)
	if (fit && require("fs").existsSync(prefix + "/include/node/node_api.h")) console.log(prefix)') || prefix=
if [ -z "$prefix" ]; then
	home=build/node-$NODE
	# npm writes that file last, so a download that was cut short is not taken for a Node.
	[ -e "$home/node_modules/.package-lock.json" ] ||
		step "install Node $NODE into build/ (the system's is $(node -v), or has no headers)" npm install \
			--prefix "$home" --no-save --no-package-lock --ignore-scripts --loglevel=error "node-linux-$node_arch@$NODE"
	prefix=node-$NODE/node_modules/node-linux-$node_arch
fi
ln -sfn "$prefix" build/node
PATH=$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH

# --- 3. npm packages; only ffi-napi and its ref-napi have native code to build ---
# The stamp goes when somebody runs `npm ci`, so that no native code is left that another node-gyp built.
if stale node_modules/.setup package-lock.json; then
	# Install scripts are blocked by npm 12 and all run by older ones: run none, and build by name below.
	make_file node_modules/.setup 'install the npm packages' npm ci --ignore-scripts --loglevel=error
fi
for addon in @2060.io/ref-napi:binding ffi-napi:ffi_bindings; do
	module=node_modules/${addon%:*}
	[ -e "$module/build/Release/${addon#*:}.node" ] ||
		# Not with the node-gyp inside npm: Debian's links what it builds to Debian's own Node, and two Nodes in one
		# process crash. The nodedir saves a download of headers; as a variable, for npm may have set another.
		step "build ${addon%:*}" env "npm_config_nodedir=$PWD/build/node" node-gyp rebuild --jobs max -C "$module"
done

# --- 4. the BPF objects: no DWARF, the BTF stays ---
bpf() { # SOURCE OUTPUT
	clang -O2 -g -target bpf -mcpu=v2 "-D__TARGET_ARCH_$bpf_arch" "-I/usr/include/$(uname -m)-linux-gnu" \
		-Wall -Wextra -Wno-unused-parameter -c "$1" -o "$2.debug" && llvm-strip -g -o "$2" "$2.debug"
}
for source in bpf/*.bpf.c; do
	output=$(built_of "$source")
	if stale "$output" bpf; then make_file "$output" "compile $source" bpf "$source" "$output"; fi
done

# --- 5. the addon, the memory hog that the demo has killed, and the processes that live shortly for a test ---
if stale build/oomscope.node native; then
	# In a copy of a built tree, CMake's cache would go on building the tree that was copied.
	grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD/native" build/native/CMakeCache.txt || rm -rf build/native
	make_file build/oomscope.node 'build the addon' cmake-js compile -d native -O "$PWD/build/native"
fi
for source in scripts/*.c; do
	output=$(built_of "$source")
	if stale "$output" "$source"; then
		make_file "$output" "compile $source" cc -O2 -Wall -Wextra -pthread "$source" -o "$output"
	fi
done

# --- 6. JavaScript: the wire's layout is read from the type information of its object, then all of src is compiled ---
if stale src/bpf/wire/layout.ts build/wire.bpf.o scripts/layout.ts src/bpf/libbpf/btf.ts; then
	make_file src/bpf/wire/layout.ts 'write src/bpf/wire/layout.ts' node --experimental-strip-types \
		--disable-warning=ExperimentalWarning scripts/layout.ts build/wire.bpf.o src/bpf/wire/layout.ts
fi
# The library as modules, the command as a bundle with its own RxJS, and the types of the command: all at the same time.
compile() {
	tsc -p . & library=$!
	tsc -p src/cli & types=$!
	done=true
	node --experimental-strip-types --disable-warning=ExperimentalWarning scripts/bundle.ts dist/cli || done=false
	wait "$library" || done=false
	wait "$types" || done=false
	# tsc leaves the output of a source that is gone: an import of it would still work.
	find dist -path dist/cli -prune -o -name '*.js' -print | while read -r module; do
		source=src/${module#dist/}
		[ -e "${source%.js}.ts" ] || rm -f "$module" "${module%.js}.d.ts"
	done
	"$done"
}
# tsc writes dist/ in spite of type errors, so its date does not tell: a stamp does.
if stale build/.tsc src tsconfig.json package-lock.json scripts/bundle.ts || [ ! -e dist/index.js ] || [ ! -e dist/cli/main.js ]; then
	mkdir -p dist
	make_file build/.tsc 'compile src' compile
fi

mv "$stamp.new" "$stamp"
