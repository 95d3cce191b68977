import { expect, test } from "vitest";
import { english, type MessageID } from "../i18n/locales.ts";
import { summaryText } from "./summaryText.ts";

const t = (id: MessageID, values: Record<string, unknown> = {}) => `${english[id]} ${JSON.stringify(values)}`;

test("a path is named by the port that packets go to", () => {
	const said = (port?: number) =>
		summaryText(t, {
			key: "path",
			values: { group: "audio", rung: "udp-8801", ...(port === undefined ? {} : { port }) },
		});
	expect(said(3478)).toContain('"rung":"UDP 3478"');
	expect(said(8801)).toContain('"rung":"UDP 8801"');
	expect(said(0)).toContain("UDP 8801");
	expect(said()).toContain("UDP 8801");
});
