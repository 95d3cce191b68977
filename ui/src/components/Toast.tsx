import { Toast as Base } from "@base-ui/react/toast";
import { ToastList } from "./ToastList.tsx";
import { toasts } from "./toasts.ts";

/** Where short-lived messages appear and are announced. One per page. */
export function Toaster() {
	return (
		<Base.Provider limit={3} timeout={5000} toastManager={toasts}>
			<Base.Portal>
				<Base.Viewport className="fixed inset-x-4 bottom-24 z-50 mx-auto flex max-w-sm flex-col-reverse gap-2 sm:bottom-28">
					<ToastList />
				</Base.Viewport>
			</Base.Portal>
		</Base.Provider>
	);
}
