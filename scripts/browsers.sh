#!/bin/bash
# The browsers' tests, as go test -json (see ui/tests/e2e/reporter.ts), for tools/testlog.
#   BROWSERS=all       the long ones too
#   BROWSERS=required  without browsers or Node they fail; else they are skipped, loudly
#   BROWSERS=none      none
set -u
cd "$(dirname "$0")/../ui"

mode=${BROWSERS:-some}
[ "$mode" = none ] && exit 0
missing=()
for tool in node "${CHROMIUM:-chromium}" "${FIREFOX:-firefox-esr}" ffmpeg; do
	command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
	action=skip
	[ "$mode" = required ] && action=fail
	printf '{"Action":"output","Package":"parley/ui/tests/e2e","Test":"all","Output":"not installed: %s\\n"}\n' "${missing[*]}"
	printf '{"Action":"%s","Package":"parley/ui/tests/e2e","Test":"all"}\n' "$action"
	exit 0
fi
TESTLOG=1 exec node_modules/.bin/playwright test "$@"
