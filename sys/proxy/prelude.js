// The functions of proxy auto-config scripts that need nothing but their arguments and the time.
function isPlainHostName(host) { return String(host).indexOf(".") < 0; }
function dnsDomainLevels(host) { return String(host).split(".").length - 1; }

function dnsDomainIs(host, domain) {
	host = String(host).toLowerCase();
	domain = String(domain).toLowerCase();
	return host.length >= domain.length && host.slice(host.length - domain.length) === domain;
}

function localHostOrDomainIs(host, hostdom) {
	host = String(host).toLowerCase();
	hostdom = String(hostdom).toLowerCase();
	return host === hostdom || (isPlainHostName(host) && hostdom.indexOf(host + ".") === 0);
}

function isResolvable(host) { return dnsResolve(host) !== null; }
function isResolvableEx(host) { return dnsResolveEx(host) !== ""; }

function convert_addr(text) {
	const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(String(text));
	if (parts === null || parts.slice(1).some(p => Number(p) > 255)) {
		return null;
	}
	return parts.slice(1).reduce((sum, p) => ((sum << 8) | Number(p)) >>> 0, 0);
}

function isInNet(host, pattern, mask) {
	let addr = convert_addr(host);
	if (addr === null) {
		addr = convert_addr(dnsResolve(host));
	}
	const net = convert_addr(pattern);
	const bits = convert_addr(mask);
	return addr !== null && net !== null && bits !== null && (addr & bits) === (net & bits);
}

function shExpMatch(text, pattern) {
	const source = String(pattern)
		.replace(/[.+^${}()|\[\]\\]/g, "\\$&")
		.replace(/\*/g, "[^]*")
		.replace(/\?/g, "[^]");
	return new RegExp("^" + source + "$").test(String(text));
}

function sortIpAddressList(list) {
	const all = String(list).split(";").filter(x => x !== "");
	const six = all.filter(x => x.indexOf(":") >= 0).sort();
	return six.concat(all.filter(x => x.indexOf(":") < 0).sort()).join(";");
}

(function (scope) {
	const days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
	const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

	// The arguments without a "GMT" at their end, and a reader of now that minds it.
	function read(args) {
		const list = Array.prototype.slice.call(args);
		const gmt = list[list.length - 1] === "GMT";
		if (gmt) {
			list.pop();
		}
		const now = new Date();
		return { list, get: part => now[(gmt ? "getUTC" : "get") + part]() };
	}

	// Whether x is from a to b, round the end where a is the later.
	function between(a, x, b) { return a <= b ? a <= x && x <= b : x >= a || x <= b; }

	scope.weekdayRange = function () {
		const { list, get } = read(arguments);
		const [from, to] = list.map(d => days.indexOf(d));
		return between(from, get("Day"), to === undefined ? from : to);
	};

	// Each argument is a day, a month or a year; the first half of them is the beginning, the other the end.
	scope.dateRange = function () {
		const { list, get } = read(arguments);
		function place(parts) {
			return parts.map(p => {
				if (typeof p === "string" && months.indexOf(p) >= 0) {
					return { unit: "Month", value: months.indexOf(p) };
				}
				return { unit: Number(p) > 31 ? "FullYear" : "Date", value: Number(p) };
			});
		}
		const half = list.length === 1 ? 1 : list.length / 2;
		const from = place(list.slice(0, half));
		const to = list.length === 1 ? from : place(list.slice(half));
		const weight = { FullYear: 10000, Month: 100, Date: 1 };
		const sum = parts => parts.reduce((n, p) => n + p.value * weight[p.unit], 0);
		const now = from.reduce((n, p) => n + get(p.unit) * weight[p.unit], 0);
		return between(sum(from), now, sum(to));
	};

	scope.timeRange = function () {
		const { list, get } = read(arguments);
		const n = list.map(Number);
		const now = get("Hours") * 3600 + get("Minutes") * 60 + get("Seconds");
		switch (n.length) {
			case 1: return get("Hours") === n[0];
			case 2: return between(n[0] * 3600, now, n[1] * 3600 - 1);
			case 4: return between(n[0] * 3600 + n[1] * 60, now, n[2] * 3600 + n[3] * 60);
			case 6: return between(n[0] * 3600 + n[1] * 60 + n[2], now, n[3] * 3600 + n[4] * 60 + n[5]);
		}
		return false;
	};
})(this);
