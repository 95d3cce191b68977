// What a single step of the language can't be interrupted in must not ask for more than there is: memory that runs out ends
// the whole process. What no script needs is removed; the rest is refused where its result may be longer than most.
(function (scope) {
	"use strict";
	const most = 1 << 20;
	// ofPattern bounds what a pattern is tried on, in characters of both.
	const ofPattern = 1 << 24;
	for (const name of [
		"ArrayBuffer", "SharedArrayBuffer", "DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array",
		"Int32Array", "Uint32Array", "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "Proxy", "Reflect",
		"BigInt", "eval", "Function", // literals of the first are refused, and the others would bring them back
	]) {
		delete scope[name];
	}
	for (const f of [function () {}, function* () {}, async function () {}]) {
		delete Object.getPrototypeOf(f).constructor;
	}
	delete JSON.stringify;
	delete String.raw;
	delete Array.prototype.flat;
	delete Array.prototype.flatMap;

	const functions = Object.getPrototypeOf(limit);
	const call = functions.call.bind(functions.call);
	const apply = functions.call.bind(functions.apply);
	const error = RangeError;
	const text = String;
	const isArray = Array.isArray;
	const isNaN = Number.isNaN;

	function fits(n, limit) {
		if (!(n <= limit)) {
			throw new error("too large");
		}
	}
	// length is that of an array, or of what passes for one.
	function length(list) {
		const n = list === undefined || list === null ? 0 : Number(list.length);
		return isNaN(n) ? 0 : n;
	}
	// limit has check called before each call of a method. Its arguments are what check returns, if it does.
	function limit(on, name, check) {
		const method = on[name];
		if (typeof method !== "function") {
			return;
		}
		Object.defineProperty(on, name, {
			configurable: true, enumerable: false, writable: true,
			value: function (...args) {
				const other = call(check, this, args);
				return apply(method, this, other || args);
			},
		});
	}

	limit(functions, "apply", function (args) { fits(length(args[1]), most); });
	limit(Array, "from", function (args) { fits(length(args[0]), most); });

	for (const name of [...Object.getOwnPropertyNames(Array.prototype), Symbol.iterator]) {
		if (name !== "constructor" && name !== "join" && name !== "toString" && name !== "toLocaleString" && name !== "concat") {
			limit(Array.prototype, name, function () { fits(length(this), most); });
		}
	}
	limit(Array.prototype, "concat", function (args) {
		let n = length(this);
		for (let i = 0; i < args.length; i++) {
			fits(n += isArray(args[i]) ? args[i].length : 1, most);
		}
	});
	const join = Array.prototype.join;
	const joined = {
		join(separator) {
			const n = length(this);
			fits(n, most);
			const by = separator === undefined ? "," : text(separator);
			const parts = [];
			let sum = 0;
			for (let i = 0; i < n; i++) {
				const v = this[i];
				parts[i] = v === undefined || v === null ? "" : text(v);
				fits(sum += parts[i].length + by.length, most);
			}
			return call(join, parts, by);
		},
		toString() { return this.join(); },
	};
	for (const [name, value] of [["join", joined.join], ["toString", joined.toString], ["toLocaleString", joined.toString]]) {
		Object.defineProperty(Array.prototype, name, { configurable: true, enumerable: false, writable: true, value });
	}

	const strings = String.prototype;
	limit(strings, "repeat", function (args) {
		const s = text(this), n = Number(args[0]);
		fits(n > 0 ? s.length * n : 0, most);
		return [n];
	});
	for (const name of ["padStart", "padEnd"]) {
		limit(strings, name, function (args) {
			const n = Number(args[0]);
			fits(isNaN(n) ? 0 : n, most);
			return [n, args[1]];
		});
	}
	limit(strings, "concat", function (args) {
		const s = args.map(a => text(a));
		s.reduce((n, a) => { fits(n += a.length, most); return n; }, text(this).length);
		return s;
	});
	// tried bounds a pattern's work.
	function tried(on, pattern) {
		const n = text(on).length, p = pattern instanceof RegExp ? text(pattern.source).length : 0;
		fits(n, most);
		fits((n + 1) * (p + 1), ofPattern);
	}
	for (const name of ["match", "matchAll", "search", "split"]) {
		limit(strings, name, function (args) { tried(this, args[0]); });
	}
	// replaced bounds what comes of a replacement, which may name all that is before or after each match.
	function replaced(on, by) {
		const n = text(on).length;
		if (typeof by !== "function") {
			by = text(by);
			fits((n + 1) * by.length * (by.indexOf("$") < 0 ? 1 : n + 1), ofPattern);
			return by;
		}
		let sum = 0;
		return function (...args) {
			const s = text(apply(by, undefined, args));
			fits(sum += s.length, most);
			return s;
		};
	}
	for (const name of ["replace", "replaceAll"]) {
		limit(strings, name, function (args) {
			tried(this, args[0]);
			return [args[0], replaced(this, args[1])];
		});
	}
	for (const name of [Symbol.match, Symbol.matchAll, Symbol.search, Symbol.split]) {
		limit(RegExp.prototype, name, function (args) { tried(args[0], this); });
	}
	limit(RegExp.prototype, Symbol.replace, function (args) {
		tried(args[0], this);
		return [args[0], replaced(args[0], args[1])];
	});
})(this);
