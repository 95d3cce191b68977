import { useEffect, useRef, useState } from "react";
import { useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { EmptyState } from "../components/EmptyState.tsx";
import { useT } from "../i18n/useT.ts";
import { ChatBox } from "./ChatBox.tsx";
import { ChatLine } from "./ChatLine.tsx";

/** Lines of one person within this time stand together under one name. */
const togetherMS = 120_000;

/** What was said, and the box to say something. Follows new lines unless one has scrolled up to read. */
export function ChatPanel() {
	const t = useT();
	const lines = useCall(s => s.chat.lines);
	const self = useCall(s => s.self);
	const list = useRef<HTMLDivElement>(null);
	const [following, setFollowing] = useState(true);
	const last = lines[lines.length - 1];
	const [seen, setSeen] = useState(last?.seq ?? 0);
	const bottom = () => list.current?.scrollTo({ top: list.current.scrollHeight });

	// biome-ignore lint/correctness/useExhaustiveDependencies: each new line moves it
	useEffect(() => {
		if (!following && last?.from !== self) return;
		bottom();
		setSeen(last?.seq ?? 0);
	}, [last?.seq, following]);

	// By number: of a long chat only the last lines are kept, so that there may be more without being longer.
	const unseen = lines.filter(l => l.seq > seen).length;
	return (
		<>
			<div className="relative min-h-0 grow">
				<div
					aria-label={t("room.chat.log")}
					className="absolute inset-0 overflow-y-auto overscroll-contain px-4 py-3"
					onScroll={e => {
						const el = e.currentTarget;
						setFollowing(el.scrollHeight - el.scrollTop - el.clientHeight < 40);
					}}
					ref={list}
					role="log"
					// biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
					tabIndex={0}
				>
					{lines.length === 0 && <EmptyState icon="chat" title={t("room.chat.empty")} />}
					{lines.map((line, i) => {
						const before = lines[i - 1];
						const together =
							before !== undefined &&
							before.from === line.from &&
							before.to === line.to &&
							line.at - before.at < togetherMS;
						return <ChatLine key={line.seq} line={line} together={together} />;
					})}
				</div>
				{!following && unseen > 0 && (
					<Button
						className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-pop"
						icon="chevron-down"
						onClick={bottom}
						size="sm"
						tone="primary"
					>
						{t("room.chat.new", { n: unseen })}
					</Button>
				)}
			</div>
			<ChatBox />
		</>
	);
}
