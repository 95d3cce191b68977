// Where tiles go, as plain geometry: a number of tiles and the size of the stage in, boxes out.

export type Size = { width: number; height: number };
export type Box = { x: number; y: number; width: number; height: number };

/** Most tiles on one page: as many as there are video slots. */
export const maxTiles = 25;

/**
 * How many cameras at once to ask the router for; undefined: as many as it likes. A phone shows few people at a
 * time, and pays for every slot. The number holds for the whole meeting, so it goes by the screen and not by the
 * window: a small window may be made large.
 */
export function slotsFor(screen: Size): number | undefined {
	return Math.max(screen.width, screen.height) < 1000 ? 9 : undefined;
}

/** Shapes a camera's tile may have. Cameras are 16:9 or 4:3; what does not fit is cropped at the sides. */
const widest = 16 / 9;
const narrowest = 4 / 3;
/** On a stage that stands upright, a face still fits a tile this narrow. */
const narrowestUpright = 3 / 4;

const isPhone = (s: Size) => s.width < 640;
const gapOf = (s: Size) => (isPhone(s) ? 6 : 10);

/** The largest box of a shape between two ratios, in the middle of a region. */
export function within(region: Box, min: number, max: number): Box {
	const ratio = region.width / Math.max(1, region.height);
	const width = ratio > max ? region.height * max : region.width;
	const height = ratio < min ? region.width / min : region.height;
	return {
		x: region.x + (region.width - width) / 2,
		y: region.y + (region.height - height) / 2,
		width,
		height,
	};
}

function cellOf(n: number, columns: number, size: Size): Size {
	const gap = gapOf(size);
	const rows = Math.ceil(n / columns);
	const min = size.width < size.height ? narrowestUpright : narrowest;
	return within(
		{
			x: 0,
			y: 0,
			width: Math.max(0, (size.width - gap * (columns - 1)) / columns),
			height: Math.max(0, (size.height - gap * (rows - 1)) / rows),
		},
		min,
		widest,
	);
}

/** The number of columns with which n equal tiles are largest. */
function columnsFor(n: number, size: Size): number {
	let best = 1;
	let most = -1;
	for (let columns = 1; columns <= n; columns++) {
		const cell = cellOf(n, columns, size);
		const holes = Math.ceil(n / columns) * columns - n;
		// Of two that are nearly alike, the one without holes in its last row.
		const score = cell.width * cell.height * (1 - 0.02 * holes);
		if (score > most) {
			most = score;
			best = columns;
		}
	}
	return best;
}

/** n equal tiles in rows, the last row in the middle. */
export function gallery(n: number, size: Size): Box[] {
	if (n === 0) return [];
	const gap = gapOf(size);
	const columns = columnsFor(n, size);
	const rows = Math.ceil(n / columns);
	const cell = cellOf(n, columns, size);
	const top = (size.height - rows * cell.height - (rows - 1) * gap) / 2;
	return Array.from({ length: n }, (_, i) => {
		const row = Math.floor(i / columns);
		const inRow = row === rows - 1 ? n - row * columns : columns;
		const left = (size.width - inRow * cell.width - (inRow - 1) * gap) / 2;
		return {
			x: left + (i % columns) * (cell.width + gap),
			y: top + row * (cell.height + gap),
			width: cell.width,
			height: cell.height,
		};
	});
}

/** How many tiles a gallery of this size shows before they get too small to see a face. */
export function galleryPage(size: Size): number {
	const least = isPhone(size) ? { width: 130, height: 110 } : { width: 128, height: 72 };
	for (let n = maxTiles; n > 1; n--) {
		const cell = cellOf(n, columnsFor(n, size), size);
		if (cell.width >= least.width && cell.height >= least.height) return n;
	}
	return 1;
}

/** How much of a tile's lower edge its name takes. */
export const nameHeight = 34;

/** The small picture over the last tiles of a full gallery: above their names, and under those of the row above. */
export function corner(tiles: Box[], size: Size): Box {
	const gap = gapOf(size);
	const bottom = Math.max(...tiles.map(b => b.y + b.height));
	const row = Math.min(...tiles.map(b => b.height));
	const most = Math.max(0, row - nameHeight - gap) * widest;
	const width = Math.min(most, 160, size.width * 0.25, Math.max(72, size.width * 0.1));
	const height = width / widest;
	return { x: size.width - width - gap, y: bottom - nameHeight - height, width, height };
}

/** The strip of small tiles beside a large one: at the right of a wide stage, else above. */
function stripOf(size: Size): { atSide: boolean; cell: Size; fits: number } {
	const gap = gapOf(size);
	const atSide = size.width >= 560 && size.width > size.height * 1.25;
	if (atSide) {
		const width = Math.min(240, Math.max(120, size.width * 0.17));
		const cell = { width, height: width / widest };
		return { atSide, cell, fits: Math.max(1, Math.floor((size.height + gap) / (cell.height + gap))) };
	}
	const height = Math.min(140, Math.max(64, size.height * 0.17));
	const width = Math.min(height * (isPhone(size) ? narrowest : widest), (size.width - 2 * gap) / 3);
	return { atSide, cell: { width, height }, fits: Math.max(1, Math.floor((size.width + gap) / (width + gap))) };
}

/** How many small tiles fit beside the large one. */
export function stripPage(size: Size): number {
	return Math.min(maxTiles - 1, stripOf(size).fits);
}

/** One large tile and n small ones. A shared screen takes all the room there is; a camera keeps its shape. */
export function speaker(n: number, size: Size, content: boolean): { main: Box; strip: Box[] } {
	const gap = gapOf(size);
	const { atSide, cell } = stripOf(size);
	const whole = { x: 0, y: 0, ...size };
	let region: Box = whole;
	if (n > 0) {
		region = atSide
			? { ...whole, width: size.width - cell.width - gap }
			: { ...whole, y: cell.height + gap, height: size.height - cell.height - gap };
	}
	const main = content ? region : within(region, size.width < size.height ? narrowestUpright : 1, 2);
	const length = n * (atSide ? cell.height : cell.width) + (n - 1) * gap;
	const strip = Array.from({ length: n }, (_, i) =>
		atSide
			? { x: size.width - cell.width, y: (size.height - length) / 2 + i * (cell.height + gap), ...cell }
			: { x: (size.width - length) / 2 + i * (cell.width + gap), y: 0, ...cell },
	);
	return { main, strip };
}
