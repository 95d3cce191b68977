import { Field } from "@base-ui/react/field";
import type { ComponentProps, ReactNode } from "react";
import { cx } from "./cx.ts";
import { fieldStyle, labelStyle } from "./fieldStyle.ts";
import { Icon } from "./Icon.tsx";

export type TextFieldProps = Omit<
	ComponentProps<typeof Field.Control>,
	"className" | "onChange" | "value" | "defaultValue"
> & {
	label: string;
	value: string;
	onChange: (value: string) => void;
	hint?: ReactNode;
	/** What is wrong with the value. */
	error?: string | undefined;
	/** Beside the label, e.g. "optional". */
	note?: string;
	/** Inside the field, at its end. */
	end?: ReactNode;
	className?: string;
	inputClassName?: string;
};

/** A line to type in, with its label, hint and fault. */
export function TextField({
	label,
	value,
	onChange,
	hint,
	error,
	note,
	end,
	className,
	inputClassName,
	...rest
}: TextFieldProps) {
	return (
		<Field.Root className={cx("min-w-0", className)} invalid={error !== undefined}>
			<Field.Label className={labelStyle}>
				{label}
				{note && <span className="font-normal text-muted"> ({note})</span>}
			</Field.Label>
			<div className="relative">
				<Field.Control
					{...rest}
					className={cx(fieldStyle, end ? "pr-12" : "", inputClassName)}
					onValueChange={onChange}
					value={value}
				/>
				{end && <div className="absolute inset-y-0 right-0.5 flex items-center">{end}</div>}
			</div>
			{hint && !error && <Field.Description className="mt-1.5 text-muted text-sm">{hint}</Field.Description>}
			<Field.Error className="mt-1.5 flex items-start gap-1.5 text-danger-ink text-sm" match={error !== undefined}>
				<Icon className="mt-0.5" name="warning" size={16} />
				{error}
			</Field.Error>
		</Field.Root>
	);
}
