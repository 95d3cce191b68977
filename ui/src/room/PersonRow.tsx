import type { PersonView } from "../call/state.ts";
import { useActions, useCall } from "../call/useCall.ts";
import { Avatar } from "../components/Avatar.tsx";
import { Badge } from "../components/Badge.tsx";
import { cx } from "../components/cx.ts";
import { Icon } from "../components/Icon.tsx";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";
import { Role } from "../proto/messages.gen.ts";
import { PersonMenu } from "./PersonMenu.tsx";
import { isHeard } from "./person.ts";
import { hasCamera } from "./scene.ts";

/** One person of the list. */
export function PersonRow({ person }: { person: PersonView }) {
	const t = useT();
	const heard = useCall(s => isHeard(s, person));
	const { act } = useActions();
	const camera = hasCamera(person);
	const { id, name, role, isSelf, hand } = person;
	return (
		<li className="flex min-h-13 items-center gap-3 py-1 pr-2 pl-4 hover:bg-hover">
			<Avatar
				className={cx(
					"ring-speak ring-offset-2 ring-offset-surface",
					person.speaking && heard && "ring-2",
					person.away && "grayscale",
				)}
				name={name}
			/>
			<div className="min-w-0 grow">
				<p className="truncate text-sm">
					<bdi>{isSelf ? t("room.you", { name }) : name}</bdi>
				</p>
				<p className="flex flex-wrap gap-1 empty:hidden">
					{role !== Role.Participant && (
						<Badge tone="accent">{t(role === Role.Host ? "room.role.host" : "room.role.cohost")}</Badge>
					)}
					{person.content && <Badge>{t("room.person.sharing")}</Badge>}
					{person.away && <Badge tone="warn">{t("room.away")}</Badge>}
				</p>
			</div>
			{hand > 0 &&
				(act.lowerHand && !isSelf ? (
					<IconButton
						className="text-warn-ink"
						icon="hand"
						label={t("room.hand.lowerOf", { name })}
						onClick={() => act.lowerHand?.(id)}
						size="sm"
					/>
				) : (
					<span className="p-1.5 text-warn-ink">
						<Icon name="hand" size={18} />
						<span className="sr-only">{t("room.tile.hand")}</span>
					</span>
				))}
			<span className={heard ? "text-muted" : "text-danger-ink"}>
				<Icon name={heard ? "mic" : "mic-off"} size={18} />
				<span className="sr-only">{t(heard ? "room.person.mic.on" : "room.person.mic.off")}</span>
			</span>
			<span className={camera ? "text-muted" : "text-danger-ink"}>
				<Icon name={camera ? "camera" : "camera-off"} size={18} />
				<span className="sr-only">{t(camera ? "room.person.camera.on" : "room.person.camera.off")}</span>
			</span>
			<PersonMenu person={person} />
		</li>
	);
}
