import { useEffect } from "react";

/** Names the page in the browser's tab and history, with a count of what is new in it. */
export function useTitle(title: string, unread = 0): void {
	useEffect(() => {
		document.title = `${unread > 0 ? `(${unread}) ` : ""}${title === "" ? "Parley" : `${title} · Parley`}`;
	}, [title, unread]);
}
