import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";
import { Icon, type IconName } from "./Icon.tsx";

export type SegmentedProps<T extends string> = {
	label: string;
	value: T;
	options: readonly { value: T; label: string; icon?: IconName }[];
	onChange: (value: T) => void;
};

/** One of a few, all in view. */
export function Segmented<T extends string>({ label, value, options, onChange }: SegmentedProps<T>) {
	return (
		<ToggleGroup
			aria-label={label}
			className="inline-flex w-fit rounded-md border border-line bg-sunken p-0.5"
			onValueChange={v => {
				const next = options.find(o => o.value === v[0]);
				if (next) onChange(next.value);
			}}
			value={[value]}
		>
			{options.map(o => (
				<Toggle
					className="inline-flex min-h-8 items-center gap-1.5 whitespace-nowrap rounded-[8px] px-2.5 font-medium text-muted text-sm transition-colors hover:text-ink data-pressed:bg-raised data-pressed:text-ink data-pressed:shadow-xs"
					key={o.value}
					value={o.value}
				>
					{o.icon && <Icon className="max-[22rem]:hidden" name={o.icon} size={18} />}
					{o.label}
				</Toggle>
			))}
		</ToggleGroup>
	);
}
