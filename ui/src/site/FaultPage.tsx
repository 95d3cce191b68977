import { Button } from "../components/Button.tsx";
import { EmptyState } from "../components/EmptyState.tsx";
import { useT } from "../i18n/useT.ts";
import { faultText } from "./faultText.ts";
import { useTitle } from "./useTitle.ts";

/** A page that could not be made: the server was not to be had, or we have a fault. */
export function FaultPage({ error, retry }: { error: unknown; retry: () => void }) {
	const t = useT();
	useTitle(t("site.fault.title"));
	return (
		<div className="my-auto" role="alert">
			<h1 className="sr-only">{t("site.fault.title")}</h1>
			<EmptyState
				actions={
					<Button icon="refresh" onClick={retry} tone="primary">
						{t("ui.retry")}
					</Button>
				}
				icon="warning"
				title={t("site.fault.title")}
			>
				{faultText(t, error)}
			</EmptyState>
		</div>
	);
}
