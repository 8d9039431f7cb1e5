# The report of `wcrdb preview --json` as Markdown.
def cell: gsub("\\|"; "\\|") | gsub("\n"; " ");
"### `wcrdb preview -s \(.stack)`",
"",
if (.changes | length) == 0 then
  "`up` would change nothing."
else
  "\(.changes | length) changes: \([.changes | group_by(.operation)[] | "\(length) \(.[0].operation)"] | join(", "))",
  "",
  "| change | resource | type | what differs |",
  "|---|---|---|---|",
  (.changes[] | "| \(.operation) | `\(.name)` | `\(.type)` | \(.properties // [] | join(", ") | cell) |")
end,
"",
(.warnings // [] | .[] | "> \(gsub("\n"; "\n> "))\n"),
if (.standIns // []) == [] then empty else "Stand-ins were used for: \(.standIns | join(", "))" end
