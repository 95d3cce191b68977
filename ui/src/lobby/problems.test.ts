import { expect, test } from "vitest";
import type { Problem, SourceMine } from "../call/state.ts";
import { troubles } from "./problems.ts";

const mine = (problem?: Problem): SourceMine => ({
	wanted: true,
	on: !problem,
	muted: false,
	byHost: false,
	...(problem ? { problem } : {}),
});

test.each([
	[undefined, undefined, []],
	["denied", undefined, ["lobby.denied.audio"]],
	[undefined, "busy", ["lobby.busy.video"]],
	["denied", "denied", ["lobby.denied.both"]],
	["missing", "denied", ["lobby.missing.audio", "lobby.denied.video"]],
	["insecure", "insecure", ["lobby.insecure"]],
	["insecure", undefined, ["lobby.insecure"]],
	[undefined, "unsupported", ["lobby.unsupported"]],
	["failed", "failed", ["lobby.failed.both"]],
] as const)("microphone %s and camera %s: %j", (a, v, want) => {
	expect(troubles(mine(a), mine(v)).map(t => t.title)).toEqual(want);
});
