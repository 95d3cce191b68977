// Writes a run as `go test -json` does: tools/testlog shows the browsers' tests as it shows all others, with
// skips and failures. What was right only the second time is said as loudly.
import type { FullConfig, FullResult, Reporter, Suite, TestCase, TestResult } from "@playwright/test/reporter";

const Package = "parley/ui/tests/e2e";

export default class GoTestReporter implements Reporter {
	private left = new Set<TestCase>();

	printsToStdio(): boolean {
		return true;
	}

	onBegin(_: FullConfig, suite: Suite): void {
		this.left = new Set(suite.allTests());
	}

	onStdOut(chunk: string | Buffer, test?: TestCase): void {
		say({ Action: "output", Package, Test: test ? nameOf(test) : undefined, Output: chunk.toString() });
	}

	onStdErr(chunk: string | Buffer, test?: TestCase): void {
		this.onStdOut(chunk, test);
	}

	onTestEnd(test: TestCase, result: TestResult): void {
		const Test = nameOf(test);
		const Elapsed = result.duration / 1000;
		for (const e of result.errors) {
			const Output = `${plain(e.stack ?? e.message ?? "no reason")}\n`;
			say({ Action: "output", Package, Test, Output });
			// If it is right the next time nobody shows what was said the first time.
			if (result.retry < test.retries) process.stderr.write(Output);
		}
		if (test.outcome() === "skipped") {
			this.left.delete(test);
			say({ Action: "skip", Package, Test, Elapsed });
			return;
		}
		const passed = result.status === test.expectedStatus;
		const again = !passed && result.retry < test.retries;
		process.stderr.write(`${passed ? "ok    " : "failed"}  ${Test}  ${Elapsed.toFixed(1)}s\n`);
		if (again || result.retry > 0) process.stderr.write(`!!! RETRIED  ${Test}\n`);
		if (again) return;
		this.left.delete(test);
		say({ Action: passed ? "pass" : "fail", Package, Test, Elapsed });
	}

	onError(error: { message?: string; stack?: string }): void {
		say({ Action: "output", Package, Output: `${plain(error.stack ?? error.message ?? "")}\n` });
	}

	onEnd(result: FullResult): void {
		for (const test of this.left) say({ Action: "fail", Package, Test: nameOf(test) });
		say({ Action: result.status === "passed" ? "pass" : "fail", Package, Elapsed: result.duration / 1000 });
	}
}

const say = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** As go test has names: no spaces. */
const nameOf = (test: TestCase) => `${test.titlePath()[2]}/${test.title.replaceAll(" ", "_")}`;

/** Without the colours of a terminal. */
const plain = (text: string) => text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "");
