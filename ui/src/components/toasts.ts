import { Toast } from "@base-ui/react/toast";

/** Short-lived messages, from anywhere: toasts.add({ title, type: "done" | "error" | "info" }). */
export const toasts = Toast.createToastManager();
