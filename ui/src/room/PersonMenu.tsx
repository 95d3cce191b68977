import { useState } from "react";
import type { PersonView } from "../call/state.ts";
import { useActions, useCall } from "../call/useCall.ts";
import { Confirm } from "../components/Confirm.tsx";
import { IconButton } from "../components/IconButton.tsx";
import { Menu, MenuItem, MenuSeparator } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import { source as sourceOf } from "../proto/ids.ts";
import { Kind, Role, type SourceID } from "../proto/messages.gen.ts";

export type PersonMenuProps = {
	person: PersonView;
	/** What pinning pins: the camera, if nothing else is said. */
	source?: SourceID;
	/** Lies on a picture of any colour. */
	overVideo?: boolean;
};

/** What one may do with a person: show them large, and as a host more. */
export function PersonMenu({ person, source = sourceOf(person.id, Kind.Video), overVideo }: PersonMenuProps) {
	const t = useT();
	const { act, pin, hand } = useActions();
	const pinned = useCall(s => s.view.pinned === source);
	const [ejecting, setEjecting] = useState(false);
	const { id, name, role, isSelf, audio, video } = person;
	const isHost = role === Role.Host;
	const others = !isSelf && (act.mute || act.askUnmute || act.eject);
	return (
		<>
			<Menu
				trigger={
					<IconButton
						className={overVideo ? "night rounded-md bg-black/65! text-white! hover:bg-black/85!" : ""}
						icon="more"
						label={t("room.person.menu", { name })}
						noTooltip
						onClick={() => undefined}
						size="sm"
					/>
				}
			>
				<MenuItem icon={pinned ? "unpin" : "pin"} onClick={() => pin(pinned ? undefined : source)}>
					{t(pinned ? "room.unpin" : "room.pin")}
				</MenuItem>
				{isSelf && person.hand > 0 && (
					<MenuItem icon="hand" onClick={hand && (() => hand(false))}>
						{t("room.hand.lower")}
					</MenuItem>
				)}
				{others && (
					<>
						<MenuSeparator />
						{audio && !audio.muted ? (
							<MenuItem icon="mic-off" onClick={act.mute && (() => act.mute?.(id, Kind.Audio))}>
								{t("room.act.mute")}
							</MenuItem>
						) : (
							<MenuItem icon="mic" onClick={act.askUnmute && (() => act.askUnmute?.(id, Kind.Audio))}>
								{t("room.act.askUnmute")}
							</MenuItem>
						)}
						{video && !video.muted ? (
							<MenuItem icon="camera-off" onClick={act.mute && (() => act.mute?.(id, Kind.Video))}>
								{t("room.act.stopVideo")}
							</MenuItem>
						) : (
							<MenuItem icon="camera" onClick={act.askUnmute && (() => act.askUnmute?.(id, Kind.Video))}>
								{t("room.act.askVideo")}
							</MenuItem>
						)}
						{person.hand > 0 && (
							<MenuItem icon="hand" onClick={act.lowerHand && (() => act.lowerHand?.(id))}>
								{t("room.hand.lower")}
							</MenuItem>
						)}
						{act.cohost && !isHost && (
							<MenuItem icon="crown" onClick={() => act.cohost?.(id, role !== Role.Cohost)}>
								{t(role === Role.Cohost ? "room.act.uncohost" : "room.act.cohost")}
							</MenuItem>
						)}
						{!isHost && (
							<MenuItem danger icon="person-remove" onClick={act.eject && (() => setEjecting(true))}>
								{t("room.act.eject")}
							</MenuItem>
						)}
					</>
				)}
			</Menu>
			<Confirm
				action={t("room.act.eject")}
				onClose={() => setEjecting(false)}
				onConfirm={() => {
					setEjecting(false);
					act.eject?.(id);
				}}
				open={ejecting}
				title={t("room.eject.title", { name })}
			>
				{t("room.eject.text")}
			</Confirm>
		</>
	);
}
