import { cx } from "./cx.ts";
import { Icon } from "./Icon.tsx";
import { hueOf, initials } from "./initials.ts";

const hues = [
	"bg-[#0b6b60] text-white",
	"bg-[#2f5aa8] text-white",
	"bg-[#7a3f9d] text-white",
	"bg-[#a8325e] text-white",
	"bg-[#9a4a12] text-white",
	"bg-[#5d6b12] text-white",
	"bg-[#1f6f8b] text-white",
	"bg-[#5a54a8] text-white",
] as const;

/** A person without a picture: initials on a colour that stays the same for the name. */
export function Avatar({ name, className }: { name: string; className?: string }) {
	const letters = initials(name);
	return (
		<span
			aria-hidden="true"
			className={cx(
				"inline-flex size-9 shrink-0 select-none items-center justify-center rounded-full font-semibold text-sm",
				letters ? hues[hueOf(name, hues.length)] : "bg-press text-muted",
				className,
			)}
		>
			{letters || <Icon className="size-1/2" name="person" />}
		</span>
	);
}
