import { useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { copyText } from "../components/copyText.ts";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";

/** Copies the link to this meeting, with its passcode where one came by a link. */
export function CopyLink() {
	const t = useT();
	const number = useCall(s => s.meeting?.number ?? s.target?.number);
	const pwd = useCall(s => s.target?.pwd);
	if (!number) return null;
	const copy = async () => {
		const link = new URL(`/j/${number}`, location.origin);
		if (pwd) link.searchParams.set("pwd", pwd);
		if (await copyText(link.href)) toasts.add({ title: t("room.link.copied"), type: "done" });
		else toasts.add({ title: t("room.link.failed"), description: link.href, type: "error" });
	};
	return (
		<Button icon="link" onClick={copy} size="sm">
			{t("room.link.copy")}
		</Button>
	);
}
