// Blocks as elements.

function elementOf(block) {
  switch (block.kind) {
    case "code": {
      const element = make("pre", "", make("code", "", block.text));
      element.tabIndex = 0;
      return element;
    }
    case "heading":
      return inlineIn(make(`h${Math.min(block.level + 2, 6)}`), block.text);
    case "rule":
      return make("hr");
    case "table":
      return tableOf(block);
    case "quote":
      return make("blockquote", "", ...block.blocks.map(elementOf));
    case "list": {
      const list = make(block.isOrdered ? "ol" : "ul");
      if (block.isOrdered) list.start = block.first;
      for (const blocks of block.items) list.append(itemOf(blocks, block.isLoose));
      return list;
    }
    default:
      return inlineIn(make("p"), block.text);
  }
}

/// In a list without blank lines, an item's words stand in it without a paragraph; a box in front tells of a task.
function itemOf(blocks, isLoose) {
  const item = make("li");
  blocks.forEach((block, index) => {
    let {text} = block;
    if (index === 0 && block.kind === "paragraph" && /^\[[ xX]\] /.test(text)) {
      item.append(text[1] === " " ? "☐ " : "☑ ");
      text = text.slice(4);
      item.className = "task";
    }
    if (block.kind === "paragraph" && !isLoose) inlineIn(item, text);
    else item.append(elementOf({...block, text}));
  });
  return item;
}

function tableOf(block) {
  const row = (tag, cells) =>
      make("tr", "", ...block.columns.map((align, index) => inlineIn(make(tag, align), cells[index] ?? "")));
  const frame = make(
      "div", "table",
      make(
          "table", "", make("thead", "", row("th", block.head)),
          make("tbody", "", ...block.rows.map((cells) => row("td", cells)))));
  frame.tabIndex = 0;
  return frame;
}

/// What each element shows at present, block by block.
const shownBlocks = new WeakMap();

/// Has `element` show `text`; blocks that are as they were stay, so that a long answer costs no more at its end.
function showText(element, text) {
  const blocks = blocksOf(text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n"));
  const shown = shownBlocks.get(element) ?? [];
  let same = 0;
  while (same < blocks.length && same < shown.length && blocks[same].kind === shown[same].kind &&
         blocks[same].source === shown[same].source)
    same += 1;
  while (element.childNodes.length > same) element.lastChild.remove();
  for (const block of blocks.slice(same)) element.append(elementOf(block));
  shownBlocks.set(element, blocks.map(({kind, source}) => ({kind, source})));
}
