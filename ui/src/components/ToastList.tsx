import { Toast as Base } from "@base-ui/react/toast";
import { useT } from "../i18n/useT.ts";
import { cx } from "./cx.ts";
import { Icon } from "./Icon.tsx";
import { IconButton } from "./IconButton.tsx";
import { toasts } from "./toasts.ts";

/** The messages themselves. */
export function ToastList() {
	const t = useT();
	const { toasts: list } = Base.useToastManager();
	return list.map(toast => (
		<Base.Root
			className={cx(
				"night flex items-start gap-3 rounded-lg border border-line bg-raised px-4 py-3 text-sm shadow-pop transition duration-200",
				"data-ending-style:translate-y-2 data-starting-style:translate-y-2 data-ending-style:opacity-0 data-starting-style:opacity-0",
				toast.limited && "opacity-0",
			)}
			key={toast.id}
			swipeDirection={["right", "down"]}
			toast={toast}
		>
			<Icon
				className={cx("mt-px", toast.type === "error" ? "text-danger-ink" : "text-accent")}
				name={toast.type === "error" ? "warning" : toast.type === "done" ? "check" : "info"}
			/>
			<Base.Content className="min-w-0 grow">
				<Base.Title className="font-medium" />
				<Base.Description className="text-muted" />
				<Base.Action className="mt-1 font-semibold text-accent-ink underline-offset-2 hover:underline" />
			</Base.Content>
			<Base.Close
				render={
					<IconButton
						className="-my-1.5 -mr-2"
						icon="close"
						label={t("ui.close")}
						noTooltip
						onClick={() => toasts.close(toast.id)}
						size="sm"
					/>
				}
			/>
		</Base.Root>
	));
}
