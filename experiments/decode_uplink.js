// Runs a decoder as a network server does: node decode_uplink.js DECODER.js [PORT] < payloads
// One payload a line, in hexadecimal; prints what decodeUplink gives, a line of JSON each. The decoder finds what
// ECMAScript 5.1 has and nothing newer: other globals and methods are removed from its context first.
"use strict";

const fs = require("fs");
const vm = require("vm");

const KEPT = {
  globalThis:
    "Object Function Array String Boolean Number Date RegExp Error EvalError RangeError ReferenceError SyntaxError " +
    "TypeError URIError Math JSON NaN Infinity undefined eval parseInt parseFloat isNaN isFinite decodeURI " +
    "decodeURIComponent encodeURI encodeURIComponent escape unescape globalThis",
  Object:
    "length name prototype getPrototypeOf getOwnPropertyDescriptor getOwnPropertyNames create defineProperty " +
    "defineProperties seal freeze preventExtensions isSealed isFrozen isExtensible keys",
  Array: "length name prototype isArray",
  "Array.prototype":
    "length constructor toString toLocaleString concat join pop push reverse shift slice sort splice unshift indexOf " +
    "lastIndexOf every some forEach map filter reduce reduceRight",
  String: "length name prototype fromCharCode",
  "String.prototype":
    "length constructor toString valueOf charAt charCodeAt concat indexOf lastIndexOf localeCompare match replace " +
    "search slice split substring substr toLowerCase toLocaleLowerCase toUpperCase toLocaleUpperCase trim",
  Number: "length name prototype MAX_VALUE MIN_VALUE NaN NEGATIVE_INFINITY POSITIVE_INFINITY",
  Math:
    "E LN10 LN2 LOG2E LOG10E PI SQRT1_2 SQRT2 abs acos asin atan atan2 ceil cos exp floor log max min pow random " +
    "round sin sqrt tan"
};

const context = vm.createContext(Object.create(null));
// The globals go last: the others are reached through them.
for (const place of Object.keys(KEPT).reverse()) {
  const kept = new Set(KEPT[place].split(" "));
  const holder = vm.runInContext(place, context);
  for (const name of Object.getOwnPropertyNames(holder)) {
    if (!kept.has(name)) {
      Reflect.deleteProperty(holder, name); // constants of Number stay
    }
  }
}
vm.runInContext("delete globalThis.globalThis", context);
vm.runInContext(fs.readFileSync(process.argv[2], "utf8"), context);

const fPort = process.argv.length > 3 ? Number(process.argv[3]) : undefined;
const lines = fs.readFileSync(0, "utf8").split("\n");
const printed = [];
for (const line of lines.slice(0, -1)) {
  context.input = { bytes: Array.from(Buffer.from(line, "hex")), fPort: fPort };
  printed.push(JSON.stringify(vm.runInContext("decodeUplink(input)", context)));
}
process.stdout.write(printed.join("\n") + "\n");
