// The picture in README.md: a call of four browsers and a native client, as they see it. It is written to
// tests/out/screens/call.png.
import { resolve } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { clip, Native } from "./native.ts";
import { launchChromium } from "./people.ts";
import { Server } from "./server.ts";

const file = resolve(import.meta.dirname, "../../../tests/out/screens/call.png");

/** Runs in the page: somebody before a wall, instead of the browser's own test picture. */
function draw(n: number): void {
	const media = navigator.mediaDevices;
	const real = media.getUserMedia.bind(media);
	media.getUserMedia = async constraints => {
		if (!constraints?.video) return real(constraints);
		const canvas = document.createElement("canvas");
		canvas.width = 1280;
		canvas.height = 720;
		const c = canvas.getContext("2d");
		c?.scale(2, 2);
		const hue = [210, 28, 340, 168][n] ?? 0;
		const ellipse = (color: string, x: number, y: number, w: number, h: number, half = false) => {
			if (!c) return;
			c.fillStyle = color;
			c.beginPath();
			c.ellipse(x, y, w, h, 0, half ? Math.PI : 0, half ? 0 : 7);
			c.fill();
		};
		let t = n;
		setInterval(() => {
			if (!c) return;
			t += 0.04;
			const x = 320 + 14 * Math.sin(t);
			const wall = c.createLinearGradient(0, 0, 640, 360);
			wall.addColorStop(0, `hsl(${hue} 30% 72%)`);
			wall.addColorStop(1, `hsl(${hue + 30} 28% 48%)`);
			c.fillStyle = wall;
			c.fillRect(0, 0, 640, 360);
			c.fillStyle = `hsl(${hue + 10} 25% 80% / 0.5)`;
			c.fillRect(40 + n * 50, 30, 120, 150);
			ellipse(`hsl(${hue + 180} 35% 32%)`, x, 400, 170, 150);
			ellipse(`hsl(${20 + n * 4} 45% ${45 + n * 9}%)`, x, 190, 72, 90);
			ellipse(`hsl(${15 + n * 9} 30% ${14 + n * 9}%)`, x, 135, 80, 55, true);
		}, 66);
		return canvas.captureStream(15);
	};
}

test("the picture of a call", { tag: "@long" }, async () => {
	test.setTimeout(150_000);
	const server = await Server.start();
	const browser = await launchChromium();
	const m = server.meeting("--topic", "Weekly design review");
	const native = new Native(m, "Telescope", "--publish", clip("mandelbrot=s=640x360:r=15"), "--loop");
	try {
		const pages: Page[] = [];
		for (const [n, name] of ["Ada Lovelace", "Grace Hopper", "Mohammed al-Khwarizmi", "Marie Curie"].entries()) {
			const context = await browser.newContext({
				locale: "en",
				permissions: ["camera", "microphone"],
				viewport: { width: 1280, height: 800 },
				reducedMotion: "reduce",
			});
			const page = await context.newPage();
			await page.addInitScript(draw, n);
			await page.goto(m.link);
			await page.getByLabel("Your name").fill(name);
			await page.getByRole("button", { name: "Join now" }).click();
			await expect(page.getByRole("button", { name: /Leave/ })).toBeVisible();
			if (n > 1) await page.keyboard.press("m");
			pages.push(page);
		}
		const [ada, grace] = pages;
		if (!ada || !grace) throw new Error("nobody came");
		await expect(ada.locator("li[data-live]")).toHaveCount(5);
		await grace.keyboard.press("c");
		await grace
			.getByRole("textbox", { name: "Write a message" })
			.fill("The telescope is up: a native client, from a terminal.");
		await grace.keyboard.press("Enter");
		await ada.keyboard.press("c");
		await ada.getByRole("textbox", { name: "Write a message" }).fill("And sharper than last week.");
		await ada.keyboard.press("Enter");
		await expect(ada.getByRole("log")).toContainText("sharper");
		await expect(ada.locator("[data-speaking]").first()).toBeAttached();
		await expect(ada.getByText("Grace Hopper: The telescope").first()).toBeHidden();
		const lines = () =>
			ada.evaluate(() => Math.min(...[...document.querySelectorAll("video")].map(v => v.videoHeight)));
		await expect.poll(lines).toBeGreaterThanOrEqual(180);
		await ada.screenshot({ path: file });
	} finally {
		await native.end();
		await browser.close();
		await server.stop();
	}
});
