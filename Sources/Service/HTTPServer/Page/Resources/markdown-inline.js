// Markdown within a block: code, links, emphasis. Links lead to the web or to mail and nowhere else, and images are
// links: nothing is fetched because a model wrote it.

/// Where a link leads; null where it is no address, or of a scheme that may do something here.
function safeAddress(text) {
  try {
    const address = new URL(text);
    return ["http:", "https:", "mailto:"].includes(address.protocol) ? address.href : null;
  } catch { return null; }
}

function linkTo(address) {
  const link = make("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  // Words may say another place than the address.
  link.title = address;
  return link;
}

/// For each opening bracket the place of the one that closes it.
function bracketPairs(text) {
  const pairs = new Map();
  const open = [];
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "[") open.push(i);
    else if (text[i] === "]" && open.length > 0) pairs.set(open.pop(), i);
  }
  return pairs;
}

/// For each length of a run of backticks the last place of one.
function lastTicks(text) {
  const last = new Map();
  for (const match of text.matchAll(/`+/g)) last.set(match[0].length, match.index);
  return last;
}

const targetPattern =
    /\( {0,9}<?([^\s<>()]{1,2000}(?:\([^\s<>()]{0,200}\)[^\s<>()]{0,200}){0,9})>?(?: {1,9}(?:"[^"\n]{0,300}"|'[^'\n]{0,300}'))? {0,9}\)/y;
const bracketedPattern = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const addressPattern = /https?:\/\/[^\s<>"'`|\\]{1,2000}/y;

function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/// Links within links there are none; other things nest as deep as this.
const nestingLimit = 16;

/// Appends `text` to `parent` with its marks as elements; returns `parent`.
function inlineIn(parent, text, isInLink = false) {
  const pairs = bracketPairs(text);
  const ticks = lastTicks(text);
  const marks = [];
  let plain = "";
  const flush = () => {
    if (plain !== "") parent.append(plain);
    plain = "";
  };
  let at = 0;
  while (at < text.length) {
    const one = text[at];
    if (one === "\\" && /[!-\/:-@[-`{-~]/.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      at += 2;
    } else if (one === "`") {
      const run = matchAt(/`+/y, text, at)[0];
      const end = (ticks.get(run.length) ?? -1) > at ? closingTicks(text, at + run.length, run.length) : -1;
      if (end < 0) {
        plain += run;
        at += run.length;
        continue;
      }
      flush();
      const code = text.slice(at + run.length, end);
      parent.append(
          make("code", "", code.length > 2 && code.startsWith(" ") && code.endsWith(" ") ? code.slice(1, -1) : code));
      at = end + run.length;
    } else if ((one === "[" || (one === "!" && text[at + 1] === "[")) && !isInLink) {
      const open = one === "!" ? at + 1 : at;
      const close = pairs.get(open);
      const target = close === undefined ? null : matchAt(targetPattern, text, close + 1);
      const address = target && safeAddress(target[1]);
      if (!address) {
        plain += text.slice(at, open + 1);
        at = open + 1;
        continue;
      }
      flush();
      const words = text.slice(open + 1, close);
      parent.append(inlineIn(linkTo(address), words === "" ? address : words, true));
      at = close + 1 + target[0].length;
    } else if ((one === "<" || one === "h") && !isInLink && !/\w/.test(text[at - 1] ?? " ")) {
      const match = matchAt(one === "<" ? bracketedPattern : addressPattern, text, at);
      const words = match && (one === "<" ? match[1] : bareAddress(match[0]));
      const address = words && safeAddress(words);
      if (!address) {
        plain += one;
        at += 1;
        continue;
      }
      flush();
      const link = linkTo(address);
      link.append(words);
      parent.append(link);
      at += one === "<" ? match[0].length : words.length;
    } else if (one === "*" || one === "_" || (one === "~" && text[at + 1] === "~")) {
      const run = matchAt(/\*+|_+|~+/y, text, at)[0];
      flush();
      const node = document.createTextNode(run);
      parent.append(node);
      marks.push({node, ...flanks(text, at, run)});
      at += run.length;
    } else {
      plain += one;
      at += 1;
    }
  }
  flush();
  emphasize(marks);
  return parent;
}

function closingTicks(text, from, length) {
  for (const match of text.slice(from).matchAll(/`+/g))
    if (match[0].length === length) return from + match.index;
  return -1;
}

/// A sentence's marks after an address are not part of it, nor a bracket that was opened before it.
function bareAddress(text) {
  let end = text.length;
  let open = 0;
  for (const one of text) open += one === "(" ? 1 : one === ")" ? -1 : 0;
  while (end > 0) {
    const last = text[end - 1];
    if (!".,;:!?*_~)]}".includes(last) || (last === ")" && open >= 0)) break;
    if (last === ")") open += 1;
    end -= 1;
  }
  return text.slice(0, end);
}

/// Whether a run of marks may begin or end emphasis (CommonMark 0.31, 6.2): by what stands before and after it.
function flanks(text, at, run) {
  const before = text[at - 1] ?? " ";
  const after = text[at + run.length] ?? " ";
  const isSpace = (one) => /\s/.test(one);
  const isMark = (one) => /[\p{P}\p{S}]/u.test(one);
  const left = !isSpace(after) && (!isMark(after) || isSpace(before) || isMark(before));
  const right = !isSpace(before) && (!isMark(before) || isSpace(after) || isMark(after));
  const isInWord = run[0] === "_";
  return {
    mark: run[0],
    length: run.length,
    canOpen: left && (!isInWord || !right || isMark(before)),
    canClose: right && (!isInWord || !left || isMark(after)),
  };
}

/// Puts what stands between marks that belong together into elements: each end with the nearest beginning before it.
function emphasize(marks) {
  const open = {"*": [], "_": [], "~": []};
  marks.forEach((mark, order) => {
    mark.order = order;
  });
  for (const end of marks) {
    while (end.canClose && end.length > 0) {
      const start = open[end.mark].at(-1);
      if (!start) break;
      const count = end.mark === "~" || (start.length > 1 && end.length > 1) ? 2 : 1;
      if (count > start.length || count > end.length) break;
      if (!wrap(start.node, end.node, end.mark === "~" ? "del" : count === 2 ? "strong" : "em")) {
        // Too deep: what has begun so far stays as it was typed.
        for (const others of Object.values(open)) others.length = 0;
        break;
      }
      for (const side of [start, end]) {
        side.length -= count;
        side.node.data = side.mark.repeat(side.length);
      }
      // Beginnings within the pair have no end any more.
      for (const others of Object.values(open))
        while (others.length > 0 && others.at(-1).order > start.order) others.pop();
      if (start.length === 0) open[end.mark].pop();
    }
    if (end.canOpen && end.length > 0) open[end.mark].push(end);
  }
}

/// Moves what stands between two nodes into a new element; false where elements would nest too deep.
function wrap(start, end, tag) {
  const inner = [];
  let depth = 0;
  for (let node = start.nextSibling; node && node !== end; node = node.nextSibling) {
    inner.push(node);
    depth = Math.max(depth, node.nesting ?? 0);
  }
  if (inner.length === 0 || depth >= nestingLimit) return false;
  const element = make(tag, "", ...inner);
  element.nesting = depth + 1;
  end.before(element);
  return true;
}
