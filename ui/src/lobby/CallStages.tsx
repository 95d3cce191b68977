import { useNavigate } from "@tanstack/react-router";
import type { RunningCall } from "../call/runner.ts";
import { useCall } from "../call/useCall.ts";
import { Room } from "../room/Room.tsx";
import { Lobby } from "./Lobby.tsx";
import { enterAgain, useEntry } from "./useEntry.ts";
import { WrongMeeting } from "./WrongMeeting.tsx";

/** Lobby, room, and the way back from a wrong passcode. */
export function CallStages({ call, number }: { call: RunningCall; number: string }) {
	const navigate = useNavigate();
	const stage = useCall(s => s.stage);
	const wrong = useCall(s => s.stage === "over" && s.over?.code === "no_such_meeting");
	const { elsewhere } = useEntry(call, number);
	if (wrong) {
		const go = (next: string) => {
			if (next === number) enterAgain(call, number);
			else void navigate({ to: "/j/$number", params: { number: next } });
		};
		return <WrongMeeting number={number} onGo={go} />;
	}
	if (stage === "idle") return null;
	if (stage === "lobby") return <Lobby elsewhere={elsewhere} number={number} />;
	return <Room onHome={() => void navigate({ to: "/" })} />;
}
