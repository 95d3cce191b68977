import { useEffect } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";
import { AloneHint } from "./AloneHint.tsx";
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
			{scene.pages > 1 && (
				<nav
					aria-label={t("room.pages")}
					className="pointer-events-none absolute inset-0 flex items-center justify-between *:pointer-events-auto"
				>
					<IconButton
						className="shadow-pop"
						icon="chevron-left"
						label={t("room.page.previous")}
						onClick={scene.page > 0 ? () => page(scene.page - 1) : undefined}
						round
						shortcut="←"
						tone="secondary"
					/>
					<p className="absolute bottom-2 left-1/2 -translate-x-1/2 rounded-full bg-raised px-3 py-0.5 font-medium text-xs shadow-pop">
						{t("room.page", { page: scene.page + 1, pages: scene.pages })}
					</p>
					<IconButton
						className="shadow-pop"
						icon="chevron-right"
						label={t("room.page.next")}
						onClick={scene.page < scene.pages - 1 ? () => page(scene.page + 1) : undefined}
						round
						shortcut="→"
						tone="secondary"
					/>
				</nav>
			)}
		</div>
	);
}
