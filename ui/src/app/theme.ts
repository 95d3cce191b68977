import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const key = "parley.theme";
const listeners = new Set<() => void>();

function read(): Theme {
	const kept = localStorage.getItem(key);
	return kept === "light" || kept === "dark" ? kept : "system";
}

/** Puts the remembered theme on the page. */
export function applyTheme(): void {
	const theme = read();
	if (theme === "system") delete document.documentElement.dataset["theme"];
	else document.documentElement.dataset["theme"] = theme;
}

export function setTheme(theme: Theme): void {
	if (theme === "system") localStorage.removeItem(key);
	else localStorage.setItem(key, theme);
	applyTheme();
	for (const l of listeners) l();
}

export function useTheme(): Theme {
	return useSyncExternalStore(subscribe, read);
}

function subscribe(listener: () => void): () => void {
	listeners.add(listener);
	return () => listeners.delete(listener);
}
