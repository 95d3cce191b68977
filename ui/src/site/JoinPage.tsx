import { useT } from "../i18n/useT.ts";
import { JoinForm, type JoinFormProps } from "./JoinForm.tsx";
import { useTitle } from "./useTitle.ts";

/** Asks which meeting. */
export function JoinPage(props: JoinFormProps) {
	const t = useT();
	useTitle(t("site.join.title"));
	return (
		<div className="rise mx-auto mt-6 w-full max-w-md sm:mt-16">
			<h1 className="mb-6 font-semibold text-2xl tracking-tight">{t("site.join.title")}</h1>
			<div className="card p-5 sm:p-8">
				<JoinForm autoFocus {...props} />
			</div>
		</div>
	);
}
