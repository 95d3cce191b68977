import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { Dialog } from "../components/Dialog.tsx";
import { useT } from "../i18n/useT.ts";
import { Kind } from "../proto/messages.gen.ts";

/** A host asks to unmute. Nobody's microphone opens without their yes. */
export function AskDialog() {
	const t = useT();
	const ask = useCall(s => s.asks[0]);
	const by = useCall(s => (ask ? s.people.get(ask.by)?.name : undefined)) ?? t("room.ask.host");
	const { answerAsk } = useActions();
	if (!ask) return null;
	const video = ask.kind === Kind.Video;
	const answer = answerAsk && ((yes: boolean) => answerAsk(ask, yes));
	return (
		<Dialog
			actions={
				<>
					<Button onClick={answer && (() => answer(false))}>
						{t(video ? "room.ask.stayDark" : "room.ask.stayMuted")}
					</Button>
					<Button icon={video ? "camera" : "mic"} onClick={answer && (() => answer(true))} tone="primary">
						{t(video ? "room.camera.start" : "room.mic.unmute")}
					</Button>
				</>
			}
			onClose={() => answer?.(false)}
			open
			size="sm"
			title={t(video ? "room.ask.video" : "room.ask.audio", { name: by })}
		/>
	);
}
