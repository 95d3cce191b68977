import { useCall } from "../call/useCall.ts";
import { Avatar } from "../components/Avatar.tsx";
import { cx } from "../components/cx.ts";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import { PersonMenu } from "./PersonMenu.tsx";
import { isHeard } from "./person.ts";
import { hasCamera, type Tile } from "./scene.ts";
import { VideoView } from "./VideoView.tsx";

/** One person's camera or screen: the picture once it is theirs, the name, and marks. */
export function TileView({ tile }: { tile: Tile }) {
	const t = useT();
	const person = useCall(s => s.people.get(tile.person));
	const slot = useCall(s => s.slots.get(tile.source));
	const own = useCall(s => (person?.isSelf && s.mine.video.on ? s.mine.video.stream : undefined));
	const heard = useCall(s => (person ? isHeard(s, person) : false));
	if (!person) return null;

	// The stream of a slot may still hold the last picture of whoever was there before: only live ones are shown.
	const arriving = slot?.live && (tile.content || hasCamera(person)) ? slot.stream : undefined;
	const stream = person.isSelf && !tile.content ? own : arriving;
	const speaking = person.speaking && heard && !tile.content;
	const { x, y, width, height } = tile.box;
	const small = width < 150 || height < 90;

	return (
		<li
			className={cx(
				"group absolute motion-safe:transition-[left,top,width,height] motion-safe:duration-200",
				tile.floating && "z-1 rounded-lg shadow-pop ring-2 ring-stage",
			)}
			data-live={stream ? "" : undefined}
			data-participant={tile.person}
			data-source={tile.source}
			style={{ left: x, top: y, width, height }}
		>
			<div
				className={cx(
					"@container-size relative size-full overflow-hidden rounded-lg",
					tile.content ? "bg-black" : "bg-tile",
				)}
			>
				{stream ? (
					<VideoView contain={tile.content} mirrored={person.isSelf && !tile.content} stream={stream} />
				) : (
					<div className="absolute inset-0 flex items-center justify-center">
						{tile.content ? (
							<p className="breathe px-4 text-center text-sm text-white">
								{t("room.share.coming", { name: person.name })}
							</p>
						) : (
							<Avatar
								className={cx(
									"size-[min(44cqh,34cqw,8rem)]! text-[min(17cqh,13cqw,3rem)]!",
									hasCamera(person) && "breathe",
								)}
								name={person.name}
							/>
						)}
					</div>
				)}
				{person.away && (
					<p className="absolute inset-0 flex items-center justify-center bg-black/60 p-2 text-center font-medium text-sm text-white">
						{t("room.away")}
					</p>
				)}
				<p
					className={cx(
						"absolute bottom-1.5 left-1.5 flex max-w-[calc(100%-0.75rem)] items-center gap-1.5 rounded-md bg-black/65 text-white",
						small ? "px-1.5 py-px text-xs" : "px-2 py-0.5 text-sm",
					)}
				>
					{!heard && !tile.content && (
						<span className="text-[#ff9aa5]">
							<Icon name="mic-off" size={small ? 13 : 16} />
							<span className="sr-only">{t("room.tile.muted")}</span>
						</span>
					)}
					{tile.content && <Icon name="screen" size={16} />}
					<span className="truncate" dir="auto">
						{tile.content
							? t("room.share.of", { name: person.name })
							: person.isSelf
								? t("room.you", { name: person.name })
								: person.name}
					</span>
				</p>
				{person.hand > 0 && !tile.content && (
					<p className="absolute top-1.5 left-1.5 inline-flex items-center gap-1 rounded-full bg-[#f0b35a] px-2 py-1 text-[#2b1a00] shadow-pop">
						<Icon name="hand" size={small ? 14 : 18} />
						<span className="sr-only">{t("room.tile.hand")}</span>
					</p>
				)}
			</div>
			<div
				aria-hidden="true"
				className={cx(
					"pointer-events-none absolute inset-0 rounded-lg ring-speak ring-inset transition-shadow duration-150",
					speaking ? "ring-3" : "ring-0",
				)}
				data-speaking={speaking ? "" : undefined}
			/>
			<div
				className={cx(
					"absolute top-1.5 right-1.5 opacity-0 transition-opacity group-hover:opacity-100 focus-within:opacity-100 has-data-popup-open:opacity-100",
					!small && "[@media(hover:none)]:opacity-100",
				)}
			>
				<PersonMenu overVideo person={person} source={tile.source} />
			</div>
		</li>
	);
}
