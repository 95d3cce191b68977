import { expect, test } from "vitest";
import { type Box, gallery, galleryPage, maxTiles, type Size, slotsFor, speaker, stripPage } from "./layout.ts";

const sizes: Record<string, Size> = {
	"small phone": { width: 304, height: 420 },
	phone: { width: 344, height: 600 },
	"phone on its side": { width: 700, height: 250 },
	tablet: { width: 752, height: 850 },
	laptop: { width: 1256, height: 580 },
	"wide screen": { width: 2500, height: 1000 },
};

function inside(b: Box, s: Size): boolean {
	const slack = 0.01;
	return b.x >= -slack && b.y >= -slack && b.x + b.width <= s.width + slack && b.y + b.height <= s.height + slack;
}

function overlap(a: Box, b: Box): boolean {
	return (
		a.x + a.width > b.x + 0.01 &&
		b.x + b.width > a.x + 0.01 &&
		a.y + a.height > b.y + 0.01 &&
		b.y + b.height > a.y + 0.01
	);
}

function fine(boxes: Box[], size: Size): void {
	for (const [i, box] of boxes.entries()) {
		expect(inside(box, size)).toBe(true);
		for (const other of boxes.slice(i + 1)) expect(overlap(box, other)).toBe(false);
	}
}

test.each(Object.keys(sizes))("tiles of 1 to 25 people neither overlap nor stick out: %s", name => {
	const size = sizes[name] ?? { width: 0, height: 0 };
	for (let n = 1; n <= maxTiles; n++) {
		const boxes = gallery(n, size);
		expect(boxes).toHaveLength(n);
		fine(boxes, size);
		const { main, strip } = speaker(Math.min(n - 1, stripPage(size)), size, false);
		fine([main, ...strip], size);
	}
});

test("columns suit the stage", () => {
	const rows = (n: number, size: Size) => {
		const counts = new Map<number, number>();
		for (const b of gallery(n, size)) counts.set(Math.round(b.y), (counts.get(Math.round(b.y)) ?? 0) + 1);
		return [...counts.values()].join(" ");
	};
	const laptop = { width: 1256, height: 580 };
	const phone = { width: 344, height: 600 };
	expect(rows(1, laptop)).toBe("1");
	expect(rows(2, laptop)).toBe("2");
	expect(rows(3, laptop)).toBe("2 1");
	expect(rows(5, laptop)).toBe("3 2");
	expect(rows(9, laptop)).toBe("3 3 3");
	expect(rows(12, laptop)).toBe("4 4 4");
	expect(rows(25, laptop)).toBe("5 5 5 5 5");
	expect(rows(2, phone)).toBe("1 1");
	expect(rows(5, phone)).toBe("2 2 1");
});

test("phones ask for few cameras, whichever way they are held; a small window on a large screen does not", () => {
	expect(slotsFor({ width: 390, height: 844 })).toBe(9);
	expect(slotsFor({ width: 932, height: 430 })).toBe(9);
	expect(slotsFor({ width: 1024, height: 768 })).toBeUndefined();
	expect(slotsFor({ width: 1920, height: 1080 })).toBeUndefined();
});

test("a page holds 25 on a laptop and fewer on a phone", () => {
	expect(galleryPage({ width: 1256, height: 580 })).toBe(25);
	expect(galleryPage({ width: 344, height: 600 })).toBeLessThanOrEqual(12);
	expect(galleryPage({ width: 10, height: 10 })).toBe(1);
});

test("a stage without room gives boxes without size, never negative ones", () => {
	for (const b of gallery(9, { width: 0, height: 0 })) {
		expect(b.width).toBeGreaterThanOrEqual(0);
		expect(b.height).toBeGreaterThanOrEqual(0);
	}
});

test("a shared screen gets all the room beside the strip", () => {
	const size = { width: 1256, height: 580 };
	const { main, strip } = speaker(3, size, true);
	expect(main.height).toBe(size.height);
	expect(main.width).toBeGreaterThan(size.width * 0.75);
	expect(strip).toHaveLength(3);
});
