// Pictures to show where no camera is: drawn, and moving just enough to be video.

const hues = [168, 210, 28, 340, 262, 95, 190, 12, 300, 48];

function painted(width: number, height: number, paint: (c: CanvasRenderingContext2D) => void): MediaStream {
	const canvas = document.createElement("canvas");
	canvas.width = width;
	canvas.height = height;
	const c = canvas.getContext("2d");
	if (!c) throw new Error("no canvas");
	paint(c);
	setInterval(() => paint(c), 2000);
	return canvas.captureStream(1);
}

/** Somebody before a wall. */
export function face(n: number): MediaStream {
	const hue = hues[n % hues.length] ?? 0;
	return painted(640, 360, c => {
		const wall = c.createLinearGradient(0, 0, 640, 360);
		wall.addColorStop(0, `hsl(${hue} 30% 72%)`);
		wall.addColorStop(1, `hsl(${hue + 30} 28% 48%)`);
		c.fillStyle = wall;
		c.fillRect(0, 0, 640, 360);
		c.fillStyle = `hsl(${hue + 10} 25% 80% / 0.5)`;
		c.fillRect(40 + ((n * 53) % 120), 30, 120, 150);
		c.fillStyle = `hsl(${hue + 180} 35% 32%)`;
		c.beginPath();
		c.ellipse(320, 400, 170, 150, 0, 0, 7);
		c.fill();
		c.fillStyle = `hsl(${20 + ((n * 7) % 15)} 45% ${38 + ((n * 13) % 38)}%)`;
		c.beginPath();
		c.ellipse(320, 190, 72, 90, 0, 0, 7);
		c.fill();
		c.fillStyle = `hsl(${15 + n * 9} 30% ${12 + ((n * 11) % 40)}%)`;
		c.beginPath();
		c.ellipse(320, 135, 80, 55, 0, Math.PI, 0);
		c.fill();
	});
}

/** A page with a chart. */
export function screen(): MediaStream {
	return painted(1600, 900, c => {
		c.fillStyle = "#fbfbf8";
		c.fillRect(0, 0, 1600, 900);
		c.fillStyle = "#14342f";
		c.font = "bold 56px sans-serif";
		c.fillText("Round trips to first audio", 100, 130);
		c.font = "28px sans-serif";
		c.fillStyle = "#4f5e5b";
		["cold", "warm", "from the lobby"].forEach((name, i) => {
			c.fillStyle = "#4f5e5b";
			c.fillText(name, 100, 275 + i * 180);
			c.fillStyle = "#0b6b60";
			c.fillRect(340, 230 + i * 180, [900, 540, 180][i] ?? 0, 70);
		});
	});
}
