import { useCall } from "../call/useCall.ts";
import { useTitle } from "../site/useTitle.ts";
import { CallScreen } from "./CallScreen.tsx";
import { JoiningScreen } from "./JoiningScreen.tsx";
import { OverScreen } from "./OverScreen.tsx";
import { WaitingScreen } from "./WaitingScreen.tsx";

/** Everything from pressing Join until it is over. Before that there is the lobby. */
export function Room({ onHome }: { onHome: () => void }) {
	const stage = useCall(s => s.stage);
	useTitle(
		useCall(s => s.meeting?.topic || s.topic || ""),
		useCall(s => (s.stage === "over" ? 0 : s.chat.unread)),
	);
	switch (stage) {
		case "idle":
		case "lobby":
			return null;
		case "joining":
			return <JoiningScreen />;
		case "waiting":
			return <WaitingScreen />;
		case "in":
		case "reconnecting":
			return <CallScreen />;
		case "over":
			return <OverScreen onHome={onHome} />;
		default:
			return stage satisfies never;
	}
}
