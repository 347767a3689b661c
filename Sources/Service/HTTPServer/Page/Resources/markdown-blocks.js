// Markdown as blocks: what stands on lines of its own. Text becomes text nodes only, never markup; every step is linear
// in the text, because a model may write anything.

const isBlank = (line) => line.trim() === "";
const indentOf = (line) => line.length - line.trimStart().length;
const itemPattern = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)/;
const fencePattern = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const headingPattern = /^ {0,3}(#{1,6})(?:[ \t](.*)|)$/;
const quotePattern = /^ {0,3}> ?/;
/// Quotes and lists within each other; deeper ones stay as they were typed.
const depthLimit = 12;

function fenceOf(line) {
  const match = fencePattern.exec(line);
  return match && !(match[1][0] === "`" && match[2].includes("`")) ? match[1] : null;
}

function closesFence(line, fence) {
  const rest = line.trim();
  return indentOf(line) < 4 && rest.length >= fence.length && [...rest].every((one) => one === fence[0]);
}

function isRule(line) {
  const marks = line.replaceAll(" ", "");
  return indentOf(line) < 4 && marks.length > 2 && "-*_".includes(marks[0]) &&
      [...marks].every((one) => one === marks[0]);
}

/// The cells of a row: bars part them, but for those in code or after a backslash.
function cellsOf(line) {
  const cells = [];
  let cell = "";
  let isCode = false;
  const row = line.trim();
  for (let i = 0; i < row.length; i += 1) {
    if (row[i] === "\\" && row[i + 1] === "|") {
      cell += "|";
      i += 1;
      continue;
    }
    if (row[i] === "`") isCode = !isCode;
    if (row[i] === "|" && !isCode) {
      cells.push(cell.trim());
      cell = "";
    } else cell += row[i];
  }
  cells.push(cell.trim());
  if (cells[0] === "" && row.startsWith("|")) cells.shift();
  if (cells.length > 1 && cells.at(-1) === "") cells.pop();
  return cells;
}

/// How the columns under a row of headings are set; null where the next line is no rule of a table.
function columnsOf(line, next) {
  if (next === undefined || !line.includes("|") || !next.includes("-") || !/^[\s|:-]+$/.test(next)) return null;
  const rules = cellsOf(next);
  if (rules.length !== cellsOf(line).length || !rules.every((rule) => /^:?-+:?$/.test(rule))) return null;
  return rules.map((rule) => rule.endsWith(":") ? (rule.startsWith(":") ? "center" : "right") : "");
}

/// Whether a line ends the paragraph before it.
function interrupts(line, next) {
  const item = itemPattern.exec(line);
  return fenceOf(line) !== null || headingPattern.test(line) || quotePattern.test(line) || isRule(line) ||
      columnsOf(line, next) !== null ||
      (item !== null && item[0].length < line.length && (!/\d/.test(item[2]) || parseInt(item[2], 10) === 1));
}

/// Blocks of `lines`, each with the lines it stands on.
function blocksOf(lines, depth = 0) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const start = at;
    const [block, end] = blockAt(lines, at, depth);
    at = end;
    blocks.push({...block, source: lines.slice(start, end).join("\n")});
  }
  return blocks;
}

/// The block that begins at a line, and the line after it.
function blockAt(lines, start, depth) {
  const line = lines[start];
  let end = start + 1;
  const fence = fenceOf(line);
  if (fence !== null) {
    while (end < lines.length && !closesFence(lines[end], fence)) end += 1;
    return [{kind: "code", text: lines.slice(start + 1, end).join("\n")}, Math.min(end + 1, lines.length)];
  }
  const heading = headingPattern.exec(line);
  if (heading) {
    const words = (heading[2] ?? "").trim();
    const bare = words.replace(/#+$/, "");
    return [
      {kind: "heading", level: heading[1].length, text: bare === "" || bare.endsWith(" ") ? bare.trim() : words}, end
    ];
  }
  if (isRule(line)) return [{kind: "rule"}, end];
  const columns = columnsOf(line, lines[start + 1]);
  if (columns !== null) {
    end += 1;
    while (end < lines.length && lines[end].includes("|") && fenceOf(lines[end]) === null) end += 1;
    return [{kind: "table", columns, head: cellsOf(line), rows: lines.slice(start + 2, end).map(cellsOf)}, end];
  }
  if (depth < depthLimit && quotePattern.test(line)) {
    while (end < lines.length && quotePattern.test(lines[end])) end += 1;
    const inner = lines.slice(start, end).map((one) => one.replace(quotePattern, ""));
    return [{kind: "quote", blocks: blocksOf(inner, depth + 1)}, end];
  }
  if (depth < depthLimit && itemPattern.test(line)) return listAt(lines, start, depth);
  while (end < lines.length && !isBlank(lines[end]) && !interrupts(lines[end], lines[end + 1])) end += 1;
  return [{kind: "paragraph", text: lines.slice(start, end).join("\n")}, end];
}

/// A list: items that begin alike, each with the lines that are indented under it or go on with its paragraph.
function listAt(lines, start, depth) {
  const [, lead, mark] = itemPattern.exec(lines[start]);
  const isOrdered = /\d/.test(mark);
  const items = [];
  let isLoose = false;
  let at = start;
  while (at < lines.length) {
    const match = itemPattern.exec(lines[at]);
    if (!match || match[1].length > lead.length + 1 || match[1].length < lead.length ||
        /\d/.test(match[2]) !== isOrdered || isRule(lines[at]))
      break;
    const offset = Math.min(match[0].length, match[1].length + match[2].length + 4);
    const item = [lines[at].slice(offset)];
    at += 1;
    let isOver = false;
    while (at < lines.length && !isOver) {
      let next = at;
      while (next < lines.length && isBlank(lines[next])) next += 1;
      if (next === lines.length) {
        at = next;
        break;
      }
      const indent = indentOf(lines[next]);
      const belongs = indent >= Math.min(offset, lead.length + 2);
      if (next > at && !belongs) {
        // A blank line: the next item of this list, or its end.
        const other = itemPattern.exec(lines[next]);
        isLoose ||= other !== null && /\d/.test(other[2]) === isOrdered && other[1].length === lead.length;
        at = next;
        isOver = true;
      } else if (belongs) {
        if (next > at) {
          item.push("");
          isLoose = true;
        }
        item.push(lines[next].slice(Math.min(indent, offset)));
        at = next + 1;
      } else if (itemPattern.test(lines[at]) || interrupts(lines[at], lines[at + 1])) {
        isOver = true;
      } else {
        item.push(lines[at].trimStart());
        at += 1;
      }
    }
    items.push(blocksOf(item, depth + 1));
  }
  return [{kind: "list", isOrdered, first: isOrdered ? parseInt(mark, 10) : 1, isLoose, items}, at];
}
