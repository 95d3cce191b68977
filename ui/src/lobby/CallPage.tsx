import { useParams } from "@tanstack/react-router";
import { CallContext } from "../call/useCall.ts";
import { NotFoundPage } from "../site/NotFoundPage.tsx";
import { isNumber } from "../site/number.ts";
import { SiteFrame } from "../site/SiteFrame.tsx";
import { CallStages } from "./CallStages.tsx";
import { sharedCall } from "./sharedCall.ts";

/** The page of a meeting, from the lobby until it is over. */
export function CallPage() {
	const { number } = useParams({ from: "/j/$number" });
	if (!isNumber(number)) {
		return (
			<SiteFrame>
				<NotFoundPage />
			</SiteFrame>
		);
	}
	const call = sharedCall();
	return (
		<CallContext value={call}>
			<CallStages call={call} key={number} number={number} />
		</CallContext>
	);
}
