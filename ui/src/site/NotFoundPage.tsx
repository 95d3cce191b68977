import { Link } from "@tanstack/react-router";
import { buttonStyle } from "../components/Button.tsx";
import { EmptyState } from "../components/EmptyState.tsx";
import { useT } from "../i18n/useT.ts";
import { useTitle } from "./useTitle.ts";

/** There is no such page. */
export function NotFoundPage() {
	const t = useT();
	useTitle(t("site.notFound.title"));
	return (
		<div className="my-auto">
			<h1 className="sr-only">{t("site.notFound.title")}</h1>
			<EmptyState
				actions={
					<Link className={buttonStyle("primary")} to="/">
						{t("site.notFound.home")}
					</Link>
				}
				icon="help"
				title={t("site.notFound.title")}
			>
				{t("site.notFound.text")}
			</EmptyState>
		</div>
	);
}
