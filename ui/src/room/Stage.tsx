import { useEffect } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { AloneHint } from "./AloneHint.tsx";
import { Pager } from "./Pager.tsx";
import { TileView } from "./TileView.tsx";
import { useScene } from "./useScene.ts";
import { useSize } from "./useSize.ts";

/** The tiles. Each is placed by its box and stays the same element while it moves, so that its picture goes on. */
export function Stage() {
	const t = useT();
	const [ref, size] = useSize();
	const scene = useScene(size);
	const order = useCall(s => s.order);
	const wanted = useCall(s => s.view.page);
	const alone = useCall(s => s.people.size <= 1 && !s.share);
	const { page } = useActions();

	useEffect(() => {
		if (wanted !== scene.page) page(scene.page);
	}, [wanted, scene.page, page]);

	// Reading order is that of the people and does not change with who speaks.
	const rank = (tile: (typeof scene.tiles)[number]) => (tile.content ? -1 : order.indexOf(tile.person));
	const tiles = [...scene.tiles].sort((a, b) => rank(a) - rank(b));

	return (
		<div className="absolute inset-x-2 inset-y-1 sm:inset-x-4">
			<ul aria-label={t("room.stage")} className="relative size-full" ref={ref}>
				{size.width > 0 && tiles.map(tile => <TileView key={tile.key} tile={tile} />)}
			</ul>
			{alone && <AloneHint />}
			{scene.pages > 1 && <Pager scene={scene} size={size} />}
		</div>
	);
}
