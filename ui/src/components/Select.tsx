import { Select as Base } from "@base-ui/react/select";
import { useId } from "react";
import { cx } from "./cx.ts";
import { fieldStyle, labelStyle } from "./fieldStyle.ts";
import { Icon, type IconName } from "./Icon.tsx";

export type SelectOption<T extends string> = { value: T; label: string };
export type SelectProps<T extends string> = {
	label: string;
	/** The label is for screen readers only. */
	hideLabel?: boolean;
	icon?: IconName;
	value: T;
	options: readonly SelectOption<T>[];
	onChange?: ((value: T) => void) | undefined;
	hint?: string;
	className?: string;
};

/** Chooses one of a list. Without onChange it cannot be changed now. */
export function Select<T extends string>({
	label,
	hideLabel,
	icon,
	value,
	options,
	onChange,
	hint,
	className,
}: SelectProps<T>) {
	const hintID = useId();
	return (
		<div className={cx("min-w-0", className)}>
			<Base.Root
				disabled={!onChange}
				items={options}
				modal={false}
				onValueChange={v => v !== null && onChange?.(v)}
				value={value}
			>
				<Base.Label className={hideLabel ? "sr-only" : labelStyle}>{label}</Base.Label>
				<Base.Trigger
					aria-describedby={hint && hintID}
					className={cx(fieldStyle, "flex items-center gap-2 text-left data-disabled:opacity-50")}
				>
					{icon && <Icon className="text-muted" name={icon} size={18} />}
					<Base.Value className="min-w-0 grow truncate" />
					<Base.Icon className="text-muted">
						<Icon name="chevron-down" size={16} />
					</Base.Icon>
				</Base.Trigger>
				<Base.Portal>
					<Base.Positioner alignItemWithTrigger={false} className="z-50" sideOffset={6}>
						<Base.Popup className="pop max-h-[min(24rem,var(--available-height))] min-w-(--anchor-width) max-w-[calc(100vw-1rem)] overflow-y-auto rounded-lg border border-line bg-raised p-1.5 shadow-pop outline-none">
							<Base.List>
								{options.map(o => (
									<Base.Item
										className="flex min-h-10 cursor-pointer select-none items-center gap-3 rounded-md px-3 py-1.5 text-sm outline-none data-highlighted:bg-hover"
										key={o.value}
										value={o.value}
									>
										<Base.ItemText className="grow">{o.label}</Base.ItemText>
										<Base.ItemIndicator className="text-accent-ink">
											<Icon name="check" size={18} />
										</Base.ItemIndicator>
									</Base.Item>
								))}
							</Base.List>
						</Base.Popup>
					</Base.Positioner>
				</Base.Portal>
			</Base.Root>
			{hint && (
				<p className="mt-1.5 text-muted text-sm" id={hintID}>
					{hint}
				</p>
			)}
		</div>
	);
}
