import { memo, useMemo } from "react";
import { FormattedTime } from "react-intl";
import { useCall } from "../call/useCall.ts";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import type { Chat } from "../proto/messages.gen.ts";
import { linkify } from "./linkify.ts";

/** One message. Its direction is that of its own text, its addresses can be opened. */
export const ChatLine = memo(function ChatLine({ line, together }: { line: Chat; together: boolean }) {
	const t = useT();
	const mine = useCall(s => s.self === line.from);
	const to = useCall(s => (line.to ? s.people.get(line.to)?.name : undefined));
	const pieces = useMemo(() => linkify(line.text), [line.text]);
	return (
		<div className={together ? "mt-1" : "mt-4 first:mt-0"}>
			{!together && (
				<p className="mb-0.5 flex flex-wrap items-baseline gap-x-2">
					<span className="truncate font-semibold text-sm" dir="auto">
						{mine ? t("room.chat.me") : line.name}
					</span>
					{line.to ? (
						<span className="inline-flex items-center gap-1 text-accent-ink text-xs">
							<Icon name="lock" size={12} />
							{mine ? t("room.chat.private.to", { name: to ?? t("room.chat.someone") }) : t("room.chat.private.me")}
						</span>
					) : null}
					<span className="text-muted text-xs">
						<FormattedTime value={line.at} />
					</span>
				</p>
			)}
			<p className="wrap-anywhere whitespace-pre-wrap text-[0.9375rem] leading-snug" dir="auto">
				{pieces.map((p, i) =>
					p.href ? (
						<a
							className="text-accent-ink underline underline-offset-2 hover:no-underline"
							dir="ltr"
							href={p.href}
							// biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a text never move
							key={i}
							rel="noopener noreferrer nofollow"
							target="_blank"
						>
							{p.text}
						</a>
					) : (
						p.text
					),
				)}
			</p>
		</div>
	);
});
