import { useEffect, useMemo, useRef, useState } from "react";
import type { Size } from "../call/layout.ts";
import { useActions, useCall } from "../call/useCall.ts";
import type { ParticipantID } from "../proto/messages.gen.ts";
import { arrange, type Scene, type SceneState, spotlight, wishes } from "./scene.ts";
import { useHidden } from "./useHidden.ts";
import { usePhone } from "./useMedia.ts";

/** How long the picture must rest before the router hears of it: paging and dragging make many. */
const restMS = 150;

/** The tiles of this moment on a stage of this size; tells the router what is wished for. */
export function useScene(size: Size): Scene {
	const people = useCall(s => s.people);
	const order = useCall(s => s.order);
	const share = useCall(s => s.share);
	const view = useCall(s => s.view);
	const speakers = useCall(s => s.speakers);
	const self = useCall(s => s.self);
	const cameras = useCall(s => s.cameras);

	const [last, setLast] = useState<ParticipantID>();
	const state: SceneState = {
		people,
		order,
		speakers,
		view,
		cameras,
		...(share ? { share } : {}),
		...(self ? { self } : {}),
	};
	const lit = spotlight(state, last);
	if (lit !== last) setLast(lit);

	// biome-ignore lint/correctness/useExhaustiveDependencies: state is made of these
	const scene = useMemo(
		() => arrange(state, size, lit),
		[people, order, speakers, view, share, self, cameras, size, lit],
	);
	useWishes(scene, state, size);
	return scene;
}

function useWishes(scene: Scene, state: SceneState, size: Size): void {
	const { setLayout } = useActions();
	const { panel } = state.view;
	const covered = usePhone() && (panel === "chat" || panel === "people");
	const hidden = useHidden() || covered;
	const sent = useRef({ to: setLayout, wish: "" });
	const wish = JSON.stringify(wishes(scene, state, window.devicePixelRatio, hidden));
	const ready = size.width > 0 && size.height > 0;
	useEffect(() => {
		if (!setLayout || !ready) {
			sent.current = { to: undefined, wish: "" }; // said anew after a reconnection
			return;
		}
		if (sent.current.to === setLayout && sent.current.wish === wish) return;
		const timer = setTimeout(() => {
			sent.current = { to: setLayout, wish };
			setLayout(JSON.parse(wish));
		}, restMS);
		return () => clearTimeout(timer);
	}, [setLayout, wish, ready]);
}
