import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { useIntl } from "react-intl";
import { Banner } from "../components/Banner.tsx";
import { Button } from "../components/Button.tsx";
import { copyText } from "../components/copyText.ts";
import { Dialog } from "../components/Dialog.tsx";
import { Spinner } from "../components/Spinner.tsx";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import { faultText } from "./faultText.ts";
import { invitationText } from "./invitationText.ts";
import { meetingQuery, useSession } from "./queries.ts";

/** The invitation to a meeting, to look at and to copy. */
export function InvitationDialog({ number, open, onClose }: { number: number; open: boolean; onClose: () => void }) {
	const t = useT();
	const intl = useIntl();
	const user = useSession().data;
	const { data: m, error } = useQuery({ ...meetingQuery(number), enabled: open });
	const text = m && invitationText(intl, m, user?.display_name || m.host_email);
	const field = useRef<HTMLTextAreaElement>(null);
	const copy = async (what: string) => {
		if (await copyText(what)) {
			toasts.add({ type: "done", title: t("ui.copied") });
			onClose();
			return;
		}
		// The person can copy it themselves: what they wanted is selected.
		const at = field.current?.value.indexOf(what) ?? -1;
		field.current?.focus();
		if (at >= 0) field.current?.setSelectionRange(at, at + what.length);
		toasts.add({ type: "error", title: t("ui.copyFailed"), description: t("ui.copyByHand") });
	};
	return (
		<Dialog
			actions={
				<>
					<Button icon="link" onClick={m && (() => void copy(m.join_url))}>
						{t("site.invitation.copyLink")}
					</Button>
					<Button icon="copy" onClick={text ? () => void copy(text) : undefined} tone="primary">
						{t("site.invitation.copy")}
					</Button>
				</>
			}
			onClose={onClose}
			open={open}
			title={t("site.invitation.title")}
		>
			{error && <Banner tone="danger">{faultText(t, error)}</Banner>}
			{!text && !error && <Spinner className="mx-auto my-12 text-muted" size={28} />}
			{text && (
				<textarea
					aria-label={t("site.invitation.title")}
					className="field-sizing-content block max-h-[55dvh] min-h-48 w-full resize-none rounded-lg bg-sunken p-4 text-sm leading-relaxed"
					onFocus={e => e.currentTarget.select()}
					readOnly
					ref={field}
					value={text}
				/>
			)}
		</Dialog>
	);
}
