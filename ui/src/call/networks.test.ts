import { beforeEach, expect, it } from "vitest";
import { lastRung, networkOf, rememberRung } from "./networks.ts";

beforeEach(() => localStorage.clear());

it.each([
	["198.51.100.7", "198.51.100.0/24"],
	["198.51.100.7:443", "198.51.100.0/24"],
	["::ffff:198.51.100.7", "198.51.100.0/24"],
	["2001:db8:12:34::1", "2001:db8:12::/48"],
	["2001:0db8:0012::", "2001:db8:12::/48"],
	["[2001:db8::1]:443", "2001:db8:0::/48"],
	["::1", "0:0:0::/48"],
	["", ""],
	["here", ""],
])("the network of %s is %s", (addr, net) => expect(networkOf(addr)).toBe(net));

it("a rung is remembered for a day, per network", () => {
	rememberRung("a", "tls-443", 1000);
	rememberRung("b", "udp-8801", 2000);
	rememberRung("", "udp-8801", 2000);
	expect(lastRung("a", 3000)).toBe("tls-443");
	expect(lastRung("b", 3000)).toBe("udp-8801");
	expect(lastRung("", 3000)).toBeUndefined();
	rememberRung("a", "udp-8801", 4000);
	expect(lastRung("a", 5000)).toBe("udp-8801");
	expect(lastRung("a", 86_404_001)).toBeUndefined();
	for (let i = 0; i < 20; i++) rememberRung(`net ${i}`, "tcp-8801", 6000 + i);
	expect(lastRung("a", 7000)).toBeUndefined();
	expect(lastRung("net 19", 7000)).toBe("tcp-8801");
});

it("nonsense in the storage is nothing", () => {
	for (const text of ["{", "3", '[{"net":"a","rung":"teleport","at":1}]', "[null]"]) {
		localStorage.setItem("parley.networks", text);
		expect(lastRung("a", 2)).toBeUndefined();
	}
});
