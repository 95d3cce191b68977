import { Field } from "@base-ui/react/field";
import { cx } from "./cx.ts";
import { fieldStyle, labelStyle } from "./fieldStyle.ts";

export type TextAreaProps = {
	label: string;
	value: string;
	onChange: (value: string) => void;
	note?: string;
	error?: string | undefined;
	name?: string;
	maxLength?: number;
};

/** Lines to type in; it grows with them. */
export function TextArea({ label, value, onChange, note, error, name, maxLength }: TextAreaProps) {
	return (
		<Field.Root invalid={error !== undefined}>
			<Field.Label className={labelStyle}>
				{label}
				{note && <span className="font-normal text-muted"> ({note})</span>}
			</Field.Label>
			<Field.Control
				className={cx(fieldStyle, "field-sizing-content h-auto! max-h-64 min-h-24 py-2")}
				onValueChange={onChange}
				render={<textarea maxLength={maxLength} name={name} rows={3} />}
				value={value}
			/>
			<Field.Error className="mt-1.5 text-danger-ink text-sm" match={error !== undefined}>
				{error}
			</Field.Error>
		</Field.Root>
	);
}
