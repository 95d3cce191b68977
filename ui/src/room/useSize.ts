import { type RefCallback, useCallback, useState } from "react";
import type { Size } from "../call/layout.ts";

/** The inner size of an element in CSS pixels, as it changes. */
export function useSize(): [RefCallback<HTMLElement>, Size] {
	const [size, setSize] = useState<Size>({ width: 0, height: 0 });
	const ref = useCallback((element: HTMLElement | null) => {
		if (!element) return;
		const measure = () =>
			setSize(was => {
				const now = { width: element.clientWidth, height: element.clientHeight };
				return was.width === now.width && was.height === now.height ? was : now;
			});
		measure();
		const observer = new ResizeObserver(measure);
		observer.observe(element);
		return () => observer.disconnect();
	}, []);
	return [ref, size];
}
