#!/usr/bin/env node
// The command. Node reads this file before any other of oomscope, so its syntax is one that every version of Node knows: a version that is
// too old ends with a sentence, not with a syntax error.
'use strict';

if (process.argv[2] === 'run') process.on('SIGHUP', () => {}); // until the daemon handles it

var fs = require('node:fs');
var modules = require('node:module');
var path = require('node:path');
var root = path.join(__dirname, '..');
var main = path.join(root, 'dist/cli/main.js');
var packaged = fs.existsSync(path.join(root, 'installation')); // every package has this file, and no checkout
var few = process.env.UV_THREADPOOL_SIZE;
var runsLong = ['trace', 'pressure', 'guard', 'run', 'record', 'metrics', 'web'].indexOf(process.argv[2]) >= 0;
var resolvesNames =
  ['trace', 'pressure'].indexOf(process.argv[2]) < 0 || process.argv.some((word) => /^--(alert|publish)/.test(word));
var version = process.versions.node.split('.').map(Number);

if (version[0] < 22 || (version[0] === 22 && version[1] < 13)) {
  fail(
    `Node 22.13 or later is needed; this is Node ${process.versions.node}, ${process.execPath}: ${packaged ? 'install a newer one, or the Debian package or the archive of oomscope, which have their own' : `run \`npm run setup\` in ${root}`}.`,
  );
} else if (process.platform !== 'linux') {
  fail(`oomscope traces the Linux kernel; this is ${process.platform}.`);
} else if (!fs.existsSync(main)) {
  fail(`${main} is missing: ${packaged ? 'install oomscope again' : `run \`npm run setup\` in ${root}`}.`);
} else {
  // A verb that runs for long does well with three threads for files and names: libuv resolves at most two names at a time, as with
  // four. A verb without a receiver in the network resolves no name: one thread may wait for a slow file system, and one is left.
  if (runsLong && !few) process.env.UV_THREADPOOL_SIZE = resolvesNames ? '3' : '2';
  // libuv aborts when it cannot start a thread of its pool. Where threads are few (scripts/oomscope.sh), it starts now, while one is left.
  if (few) fs.stat(main, () => {});
  keepCompiled();
  import(main);
}

// V8 keeps what it compiles, in 0.4 MB of files, and reads it at the next start, which takes 10 ms less. What is read there is run, so
// no other user may write there. The service of `oomscope systemd` may not either: it could change what its next start runs.
function keepCompiled() {
  var env = process.env;
  var uid = process.getuid();
  var ofUser = path.isAbsolute(env.XDG_CACHE_HOME || '')
    ? env.XDG_CACHE_HOME
    : path.join(env.HOME || '/nonexistent', '.cache');
  var directory = uid === 0 ? '/var/cache/oomscope' : path.join(ofUser, 'oomscope');
  var found;
  try {
    if (!fs.existsSync(directory)) fs.mkdirSync(directory, { recursive: uid !== 0, mode: 0o700 });
    found = fs.lstatSync(directory);
    if (found.isDirectory() && found.uid === uid && (found.mode & 0o77) === 0) modules.enableCompileCache(directory);
  } catch (_) {
    // no home, or a file system that is only read: it compiles at each start
  }
}

function fail(sentence) {
  process.stderr.write(`oomscope: ${sentence}\n`);
  process.exitCode = 69;
}
