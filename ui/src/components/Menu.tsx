import { Menu as Base } from "@base-ui/react/menu";
import type { ReactElement, ReactNode } from "react";
import { cx } from "./cx.ts";
import { Icon, type IconName } from "./Icon.tsx";

export type MenuProps = {
	/** The button that opens it. */
	trigger: ReactElement;
	children: ReactNode;
	side?: "top" | "bottom" | "left" | "right";
	align?: "start" | "center" | "end";
	className?: string;
};

/** A list of things to do, opened by a button. */
export function Menu({ trigger, children, side = "bottom", align = "end", className }: MenuProps) {
	return (
		<Base.Root>
			<Base.Trigger render={trigger} />
			<Base.Portal>
				<Base.Positioner align={align} className="z-50" side={side} sideOffset={6}>
					<Base.Popup
						className={cx(
							"pop max-h-(--available-height) min-w-52 max-w-[min(20rem,calc(100vw-1rem))] overflow-y-auto rounded-lg border border-line bg-raised p-1.5 shadow-pop outline-none",
							className,
						)}
					>
						{children}
					</Base.Popup>
				</Base.Positioner>
			</Base.Portal>
		</Base.Root>
	);
}

const row =
	"flex min-h-10 w-full cursor-pointer select-none items-center gap-3 rounded-md px-3 py-1.5 text-sm outline-none data-disabled:cursor-default data-disabled:opacity-45 data-highlighted:bg-hover";

export type MenuItemProps = {
	icon?: IconName;
	children: ReactNode;
	onClick?: (() => void) | undefined;
	danger?: boolean;
	hint?: ReactNode;
};

/** One thing to do. Without onClick it is not allowed now. */
export function MenuItem({ icon, children, onClick, danger, hint }: MenuItemProps) {
	return (
		<Base.Item className={cx(row, danger && "text-danger-ink")} disabled={!onClick} onClick={() => onClick?.()}>
			{icon && <Icon className={danger ? "" : "text-muted"} name={icon} size={18} />}
			<span className="grow">{children}</span>
			{hint}
		</Base.Item>
	);
}

export type MenuChoiceProps<T extends string> = {
	label: string;
	value: T;
	options: readonly { value: T; label: string; icon?: IconName; lang?: string }[];
	onChange: (value: T) => void;
};

/** One of several, with its heading. */
export function MenuChoice<T extends string>({ label, value, options, onChange }: MenuChoiceProps<T>) {
	return (
		<Base.Group>
			<MenuLabel>{label}</MenuLabel>
			<Base.RadioGroup onValueChange={onChange} value={value}>
				{options.map(o => (
					<Base.RadioItem className={row} closeOnClick key={o.value} value={o.value}>
						{o.icon && <Icon className="text-muted" name={o.icon} size={18} />}
						<span className="grow" lang={o.lang}>
							{o.label}
						</span>
						<Base.RadioItemIndicator>
							<Icon className="text-accent-ink" name="check" size={18} />
						</Base.RadioItemIndicator>
					</Base.RadioItem>
				))}
			</Base.RadioGroup>
		</Base.Group>
	);
}

/** A heading inside a Base.Group. */
export function MenuLabel({ children }: { children: ReactNode }) {
	return <Base.GroupLabel className="px-3 pt-2 pb-1 font-semibold text-muted text-xs">{children}</Base.GroupLabel>;
}

export function MenuSeparator() {
	return <Base.Separator className="my-1.5 h-px bg-line" />;
}
