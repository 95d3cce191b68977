// Who is shown where: from the state of the call and the size of the stage to tiles with boxes. Pure.
import { type Box, corner, gallery, galleryPage, maxTiles, type Size, speaker, stripPage } from "../call/layout.ts";
import type { CallState, PersonView } from "../call/state.ts";
import { kindOf, participantOf, source } from "../proto/ids.ts";
import { Kind, type ParticipantID, type SourceID } from "../proto/messages.gen.ts";

/** What one tile shows. Its key stays the same while the tile moves. */
export type Tile = {
	key: string;
	person: ParticipantID;
	source: SourceID;
	content: boolean;
	large: boolean;
	/** Lies over the others, in a corner. */
	floating: boolean;
	box: Box;
};

export type Scene = { tiles: Tile[]; page: number; pages: number; speaker: boolean };

export type SceneState = Pick<CallState, "people" | "order" | "share" | "view" | "speakers" | "self" | "cameras">;

type Subject = Omit<Tile, "box" | "large" | "floating">;

const camera = (person: ParticipantID): Subject => ({
	key: `camera-${person}`,
	person,
	source: source(person, Kind.Video),
	content: false,
});

const screen = (person: ParticipantID, id: SourceID): Subject => ({
	key: `screen-${person}`,
	person,
	source: id,
	content: true,
});

/** Who speaks, or spoke last: never oneself, so that speaking does not put one's own picture in one's face. */
export function spotlight(s: SceneState, last: ParticipantID | undefined): ParticipantID | undefined {
	const candidates = [s.speakers.active, ...s.speakers.loudest, last, ...s.order.filter(id => id !== s.self)];
	return candidates.find(id => id !== undefined && id !== s.self && s.people.has(id));
}

/** What is shown large, if anything is: what one pinned, a shared screen, or in speaker view the speaker. */
function mainOf(s: SceneState, lit: ParticipantID | undefined): Subject | undefined {
	const { pinned } = s.view;
	if (pinned !== undefined && s.people.has(participantOf(pinned))) {
		if (kindOf(pinned) === Kind.Video) return camera(participantOf(pinned));
		if (pinned === s.share?.source && !s.share.mine) return screen(s.share.by, pinned);
	}
	if (s.share && !s.share.mine && s.people.has(s.share.by)) return screen(s.share.by, s.share.source);
	return s.view.mode === "speaker" && lit !== undefined ? camera(lit) : undefined;
}

/**
 * One page of tiles: as many as there is room for, and no more of others than the router sends at once (a
 * phone asks for few), or some would stay without a picture.
 */
function pageOf(
	all: Subject[],
	size: number,
	s: SceneState,
	main?: Subject,
): { shown: Subject[]; page: number; pages: number } {
	const isOther = (t: Subject) => t.person !== s.self;
	const taken = main && !main.content && isOther(main) ? 1 : 0;
	const most = Math.max(1, (s.cameras || maxTiles) - taken);
	const cut: Subject[][] = [];
	let last: Subject[] = [];
	for (const t of all) {
		const full = last.length >= size || (isOther(t) && last.filter(isOther).length >= most);
		if (full || cut.length === 0) {
			last = [];
			cut.push(last);
		}
		last.push(t);
	}
	const pages = Math.max(1, cut.length);
	const page = Math.min(Math.max(0, s.view.page), pages - 1);
	return { shown: cut[page] ?? [], page, pages };
}

/** Arranges the tiles of this moment. */
export function arrange(s: SceneState, size: Size, lit: ParticipantID | undefined): Scene {
	const cameras = s.order.filter(id => s.people.has(id)).map(camera);
	const main = mainOf(s, lit);
	if (!main) return galleryOf(cameras, size, s);
	const others = cameras.filter(t => t.key !== main.key);
	const { shown, page, pages } = pageOf(others, stripPage(size), s, main);
	const speaking = others.find(t => t.person === s.speakers.active);
	// Beside a shared screen, who speaks is always in sight.
	if (main.content && speaking && !shown.includes(speaking) && shown.length > 0) shown[shown.length - 1] = speaking;
	const boxes = speaker(shown.length, size, main.content);
	return {
		tiles: [{ ...main, large: true, floating: false, box: boxes.main }, ...place(shown, boxes.strip)],
		page,
		pages,
		speaker: true,
	};
}

/**
 * All tiles alike. Where they are too many for one page, one's own picture makes room for somebody else and lies
 * small in a corner of every page.
 */
function galleryOf(cameras: Subject[], size: Size, s: SceneState): Scene {
	const fits = galleryPage(size);
	let { shown, page, pages } = pageOf(cameras, fits, s);
	const own = cameras.find(t => t.person === s.self);
	if (pages === 1 || !own) return { tiles: place(shown, gallery(shown.length, size)), page, pages, speaker: false };
	({ shown, page, pages } = pageOf(
		cameras.filter(t => t !== own),
		fits,
		s,
	));
	const boxes = gallery(shown.length, size);
	const self = { ...own, large: false, floating: true, box: corner(boxes, size) };
	return { tiles: [...place(shown, boxes), self], page, pages, speaker: false };
}

function place(subjects: Subject[], boxes: Box[]): Tile[] {
	return subjects.flatMap((t, i) => {
		const box = boxes[i];
		return box ? [{ ...t, large: false, floating: false, box }] : [];
	});
}

/** Whether there is a picture to show: an active camera that is not dark on purpose. */
export function hasCamera(p: PersonView | undefined): boolean {
	return p?.video !== undefined && !p.video.muted;
}

/**
 * What to ask the router for: the cameras in sight and how tall they are in physical pixels, most important
 * first. While the page is hidden, the smallest of each. Heights go in steps, so that dragging a
 * window's edge does not ask for something new with every pixel.
 */
export function wishes(
	scene: Scene,
	s: SceneState,
	pixelRatio: number,
	hidden: boolean,
): { source: SourceID; height: number }[] {
	const rank = (t: Tile) => (t.large ? 0 : t.person === s.speakers.active ? 1 : 2);
	return scene.tiles
		.filter(t => !t.content && t.person !== s.self && hasCamera(s.people.get(t.person)))
		.sort((a, b) => rank(a) - rank(b))
		.map(t => ({ source: t.source, height: hidden ? 0 : Math.round((t.box.height * pixelRatio) / 30) * 30 }));
}
