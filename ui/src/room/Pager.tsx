import type { Box, Size } from "../call/layout.ts";
import { useActions } from "../call/useCall.ts";
import { cx } from "../components/cx.ts";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";
import type { Scene } from "./scene.ts";

/** Leads to the other pages, at both ends of what is paged: the whole gallery, or the strip of small tiles. */
export function Pager({ scene, size }: { scene: Scene; size: Size }) {
	const t = useT();
	const { page } = useActions();
	const paged = scene.speaker ? around(scene.tiles.filter(x => !x.large).map(x => x.box)) : { x: 0, y: 0, ...size };
	const upright = scene.speaker && paged.height > paged.width;
	return (
		<nav
			aria-label={t("room.pages")}
			className={cx(
				"pointer-events-none absolute flex items-center justify-between *:pointer-events-auto",
				upright && "flex-col",
			)}
			style={{ left: paged.x, top: paged.y, width: paged.width, height: paged.height }}
		>
			<IconButton
				className="shadow-pop"
				icon={upright ? "chevron-up" : "chevron-left"}
				label={t("room.page.previous")}
				onClick={scene.page > 0 ? () => page(scene.page - 1) : undefined}
				round
				shortcut="←"
				size={scene.speaker ? "sm" : "md"}
				tone="secondary"
			/>
			<p
				className={cx(
					"absolute top-2 left-1/2 -translate-x-1/2 rounded-full bg-raised px-3 py-0.5 font-medium text-xs shadow-pop",
					scene.speaker && "sr-only",
				)}
			>
				{t("room.page", { page: scene.page + 1, pages: scene.pages })}
			</p>
			<IconButton
				className="shadow-pop"
				icon={upright ? "chevron-down" : "chevron-right"}
				label={t("room.page.next")}
				onClick={scene.page < scene.pages - 1 ? () => page(scene.page + 1) : undefined}
				round
				shortcut="→"
				size={scene.speaker ? "sm" : "md"}
				tone="secondary"
			/>
		</nav>
	);
}

function around(boxes: Box[]): Box {
	const x = Math.min(...boxes.map(b => b.x));
	const y = Math.min(...boxes.map(b => b.y));
	return {
		x,
		y,
		width: Math.max(...boxes.map(b => b.x + b.width)) - x,
		height: Math.max(...boxes.map(b => b.y + b.height)) - y,
	};
}
