import { expect, test } from "vitest";
import { initialState, type PersonView } from "../call/state.ts";
import { source } from "../proto/ids.ts";
import { Kind, Role } from "../proto/messages.gen.ts";
import { arrange, type Scene, type SceneState, spotlight, wishes } from "./scene.ts";

const laptop = { width: 1256, height: 580 };
const phone = { width: 344, height: 600 };

function person(id: number): PersonView {
	return {
		id,
		name: `P${id}`,
		role: Role.Participant,
		client: "web",
		hand: 0,
		waiting: false,
		away: false,
		isSelf: id === 1,
		speaking: false,
		video: { source: source(id, Kind.Video), muted: false, byHost: false },
	};
}

function meeting(n: number, change: Partial<SceneState> = {}): SceneState {
	const order = Array.from({ length: n }, (_, i) => i + 1);
	return { ...initialState(), self: 1, order, people: new Map(order.map(id => [id, person(id)])), ...change };
}

const view = (change: Partial<SceneState["view"]>): SceneState["view"] => ({ ...initialState().view, ...change });
const keys = (s: Scene) => s.tiles.map(t => (t.large ? `[${t.key}]` : t.key)).join(" ");

test("the gallery shows everybody in order", () => {
	expect(keys(arrange(meeting(3), laptop, 2))).toBe("camera-1 camera-2 camera-3");
});

test("beyond one page there are pages, and a page that is gone shows the last", () => {
	const s = arrange(meeting(30, { view: view({ page: 1 }) }), laptop, undefined);
	expect(s.pages).toBe(2);
	expect(s.tiles.map(t => t.person)).toEqual([27, 28, 29, 30, 1]);
	expect(arrange(meeting(3, { view: view({ page: 7 }) }), laptop, undefined).page).toBe(0);
	expect(arrange(meeting(30), phone, undefined).pages).toBeGreaterThan(2);
});

test("twenty-five others are one page; one's own picture lies small in a corner of it", () => {
	const own = (s: Scene) => s.tiles.filter(t => t.person === 1);
	const full = arrange(meeting(26), { width: 1600, height: 900 }, undefined);
	expect(full.pages).toBe(1);
	expect(full.tiles).toHaveLength(26);
	const last = full.tiles.find(t => t.person === 26);
	expect(own(full)).toMatchObject([{ floating: true }]);
	expect(own(full)[0]?.box.width).toBeLessThan((last?.box.width ?? 0) * 0.6);
	expect(full.tiles.filter(t => t.floating)).toHaveLength(1);

	expect(own(arrange(meeting(25), { width: 1600, height: 900 }, undefined))).toMatchObject([{ floating: false }]);
	for (const page of [0, 1]) {
		expect(own(arrange(meeting(30, { view: view({ page }) }), laptop, undefined))).toMatchObject([{ floating: true }]);
	}
});

test.each([
	["a laptop", laptop, 30],
	["a laptop, last page", laptop, 27],
	["a wide screen", { width: 2500, height: 1000 }, 40],
	["a phone", phone, 12],
	["a small phone", { width: 304, height: 420 }, 12],
	["a phone on its side", { width: 700, height: 250 }, 20],
	["a low window", { width: 1900, height: 350 }, 30],
])("one's own picture in the corner covers nobody's name: %s", (_, size, n) => {
	for (const page of [0, 1]) {
		const { tiles } = arrange(meeting(n, { cameras: 25, view: view({ page }) }), size, undefined);
		const own = tiles.find(t => t.floating)?.box ?? { x: 0, y: 0, width: 0, height: 0 };
		expect(own.height).toBeGreaterThan(30);
		expect(own.x + own.width).toBeLessThanOrEqual(size.width);
		for (const { box, floating } of tiles) {
			if (floating) continue;
			const name = { top: box.y + box.height - 30, bottom: box.y + box.height };
			const beside = own.x >= box.x + box.width || own.x + own.width <= box.x;
			expect(beside || own.y >= name.bottom || own.y + own.height <= name.top).toBe(true);
		}
	}
});

test("a page shows no more of others than the router sends at once, and nobody is left out", () => {
	const side = { width: 1000, height: 330 };
	const of = (page: number, change: Partial<SceneState["view"]> = {}) =>
		arrange(meeting(25, { cameras: 9, view: view({ page, ...change }) }), side, 2);
	const all = of(0);
	const seen = Array.from({ length: all.pages }, (_, i) => of(i).tiles.filter(t => t.person !== 1));
	expect(seen[0]).toHaveLength(9);
	expect(seen.every(tiles => tiles.length <= 9)).toBe(true);
	expect(seen.flat().map(t => t.person)).toEqual(meeting(25).order.slice(1));
	const beside = of(1, { mode: "speaker" });
	expect(beside.tiles.length).toBeLessThanOrEqual(9);
	expect(arrange(meeting(25), { width: 1600, height: 900 }, 2).pages).toBe(1);
});

test("speaker view shows who speaks, and the others beside", () => {
	expect(keys(arrange(meeting(3, { view: view({ mode: "speaker" }) }), laptop, 3))).toBe(
		"[camera-3] camera-1 camera-2",
	);
	expect(keys(arrange(meeting(1, { view: view({ mode: "speaker" }) }), laptop, undefined))).toBe("camera-1");
});

test("a shared screen is large in either view, one's own is not shown", () => {
	const id = source(2, Kind.Content);
	const theirs = meeting(2, { share: { by: 2, source: id, mine: false } });
	expect(keys(arrange(theirs, laptop, 2))).toBe("[screen-2] camera-1 camera-2");
	const mine = meeting(2, { share: { by: 1, source: source(1, Kind.Content), mine: true } });
	expect(keys(arrange(mine, laptop, 2))).toBe("camera-1 camera-2");
});

test("a pin holds against speakers and screens, and falls with its person", () => {
	const pinned = view({ pinned: source(3, Kind.Video) });
	const share = { by: 2, source: source(2, Kind.Content), mine: false };
	expect(keys(arrange(meeting(3, { view: pinned, share }), laptop, 2))).toBe("[camera-3] camera-1 camera-2");
	expect(keys(arrange(meeting(2, { view: pinned }), laptop, 2))).toBe("camera-1 camera-2");
});

test("beside a screen, who speaks is in sight", () => {
	const share = { by: 2, source: source(2, Kind.Content), mine: false };
	const s = meeting(25, { share, speakers: { active: 25, loudest: [25] } });
	expect(keys(arrange(s, laptop, 25))).toContain("camera-25");
});

test("the spotlight stays on who spoke last, and never on oneself", () => {
	const s = meeting(4, { speakers: { active: 1, loudest: [1] } });
	expect(spotlight(s, 3)).toBe(3);
	expect(spotlight(s, 9)).toBe(2);
	expect(spotlight(meeting(4, { speakers: { active: 4, loudest: [] } }), 3)).toBe(4);
	expect(spotlight(meeting(1), undefined)).toBeUndefined();
});

test("wishes: what is in sight, large and speaking first, in physical pixels; not oneself, not dark cameras", () => {
	const s = meeting(4, { view: view({ mode: "speaker" }), speakers: { active: 4, loudest: [4] } });
	const dark = new Map(s.people);
	const { video: _, ...three } = person(3);
	dark.set(3, three);
	const state = { ...s, people: dark };
	const scene = arrange(state, laptop, 4);
	const asked = wishes(scene, state, 2, false);
	expect(asked.map(w => w.source)).toEqual([source(4, Kind.Video), source(2, Kind.Video)]);
	expect(asked[0]?.height).toBeGreaterThan(1000);
	expect(asked[1]?.height).toBeLessThan(400);
	expect(wishes(scene, state, 2, true).every(w => w.height === 0)).toBe(true);
});
