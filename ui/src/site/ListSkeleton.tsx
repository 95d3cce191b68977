import { useT } from "../i18n/useT.ts";

/** Where a list is about to be. */
export function ListSkeleton() {
	const t = useT();
	return (
		<div aria-label={t("ui.loading")} className="mt-6 grid gap-3" role="status">
			{[0, 1, 2].map(i => (
				<div className="breathe card h-20" key={i} />
			))}
		</div>
	);
}
