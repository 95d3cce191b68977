import { Field } from "@base-ui/react/field";
import { useMemo } from "react";
import { cx } from "../components/cx.ts";
import { fieldStyle, labelStyle } from "../components/fieldStyle.ts";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import { zones } from "./times.ts";

/** A time zone. Some four hundred: the browser's own list finds one by typing, on phones too. */
export function ZoneField({
	value,
	onChange,
	error,
}: {
	value: string;
	onChange: (zone: string) => void;
	error?: string | undefined;
}) {
	const t = useT();
	const all = useMemo(() => {
		const known = zones();
		return known.includes(value) ? known : [value, ...known];
	}, [value]);
	return (
		<Field.Root invalid={error !== undefined}>
			<Field.Label className={labelStyle}>{t("site.form.zone")}</Field.Label>
			<div className="relative">
				<Field.Control
					className={cx(fieldStyle, "appearance-none truncate pr-9")}
					name="zone"
					onValueChange={onChange}
					render={
						<select>
							{all.map(z => (
								<option key={z} value={z}>
									{z.replaceAll("_", " ")}
								</option>
							))}
						</select>
					}
					value={value}
				/>
				<Icon className="pointer-events-none absolute top-3.5 right-3 text-muted" name="chevron-down" size={16} />
			</div>
			<Field.Error className="mt-1.5 text-danger-ink text-sm" match={error !== undefined}>
				{error}
			</Field.Error>
		</Field.Root>
	);
}
