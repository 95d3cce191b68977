#!/bin/bash
# Puts a connection matrix between the marks of a Markdown file: matrix.sh tests/out/lab.md README.md
set -euo pipefail
matrix=$1 file=$2
if ! grep -q '^<!-- matrix -->$' "$file" || ! grep -q '^<!-- /matrix -->$' "$file" || [ ! -s "$matrix" ]; then
	echo "no $matrix, or no place for it in $file" >&2
	exit 1
fi
awk -v matrix="$matrix" '
	$0 == "<!-- /matrix -->" { inside = 0 }
	!inside { print }
	$0 == "<!-- matrix -->" { while ((getline line < matrix) > 0) print line; inside = 1 }
' "$file" > "$file.new"
mv "$file.new" "$file"
