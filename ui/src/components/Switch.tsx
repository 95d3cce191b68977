import { Switch as Base } from "@base-ui/react/switch";
import { type ReactNode, useId } from "react";
import { cx } from "./cx.ts";

export type SwitchProps = {
	label: string;
	hint?: ReactNode;
	checked: boolean;
	onChange?: ((on: boolean) => void) | undefined;
	className?: string;
};

/** On or off, at once. Without onChange it cannot be changed now. */
export function Switch({ label, hint, checked, onChange, className }: SwitchProps) {
	const id = useId();
	return (
		<div className={cx("flex items-start gap-4 py-2", className)}>
			<div className="grow">
				<label className="block font-medium text-sm leading-6" htmlFor={id}>
					{label}
				</label>
				{hint && (
					<p className="text-muted text-sm" id={`${id}h`}>
						{hint}
					</p>
				)}
			</div>
			<Base.Root
				aria-describedby={hint ? `${id}h` : undefined}
				checked={checked}
				className="relative h-6 w-10 shrink-0 rounded-full bg-line-strong p-0.5 transition-colors data-checked:bg-accent data-disabled:opacity-50"
				disabled={!onChange}
				id={id}
				nativeButton
				onCheckedChange={on => onChange?.(on)}
				render={<button type="button" />}
			>
				<Base.Thumb className="block size-5 rounded-full bg-white shadow-sm transition-transform duration-150 data-checked:translate-x-4" />
			</Base.Root>
		</div>
	);
}
