import { cx } from "../components/cx.ts";
import { IconButton } from "../components/IconButton.tsx";

type RoundProps = {
	icon: Parameters<typeof IconButton>[0]["icon"];
	label: string;
	off: boolean;
	onClick: (() => void) | undefined;
	shortcut: string;
};

/** A switch on the preview, red while its device is off. */
export function RoundSwitch({ off, onClick, ...rest }: RoundProps) {
	return (
		<IconButton
			{...rest}
			className={cx(
				"backdrop-blur-sm",
				off ? "bg-danger text-white hover:bg-danger-strong" : "bg-white/20 text-white hover:bg-white/30",
			)}
			onClick={onClick}
			round
			size="lg"
		/>
	);
}
