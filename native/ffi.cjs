// The parts of ffi-napi and ref-napi that oomscope uses. scripts/bundle-ffi.ts bundles this file into build/ffi.cjs, which loads
// their compiled parts from its own folder: a package needs neither npm's install scripts nor a compiler.
const ffi = require('ffi-napi');
const ref = require('@2060.io/ref-napi');

module.exports = {
  Library: ffi.Library,
  errno: ffi.errno,
  reinterpret: ref.reinterpret,
  isNull: ref.isNull,
  hexAddress: ref.hexAddress,
};
