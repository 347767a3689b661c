import TestSupport

/// A command line that a page shows, and what the page says it prints.
struct ShownCommand {
  var text: String
  /// Empty where the page does not say.
  var output: [String] = []

  /// Those of a block: in a `console` block lines after `$` and what they print; in a `sh` block all lines. A command
  /// goes on after a backslash, and until its quotes are closed.
  static func all(of block: Page.Block) -> [ShownCommand] {
    var commands: [ShownCommand] = []
    var isOpen = false
    for line in block.lines {
      if isOpen {
        commands[commands.count - 1].text += "\n" + line
      } else if block.words.first == "sh" {
        commands.append(ShownCommand(text: line))
      } else if line.hasPrefix("$ ") {
        commands.append(ShownCommand(text: String(line.dropFirst(2))))
      } else {
        if !commands.isEmpty { commands[commands.count - 1].output.append(line) }
        continue
      }
      let text = commands[commands.count - 1].text
      isOpen = text.hasSuffix("\\") || text.count { $0 == "'" } % 2 == 1
    }
    return commands
  }

  var startsServer: Bool { text.contains("martinet serve") && !text.contains("--print-config") }

  /// Where what was printed differs from what is shown; nil where it does not. Lines shown that stand in `errors` are
  /// found there; the others are all of `printed`, but for `…`, which stands for anything. Times of day differ, and,
  /// where `isTimed`, numbers with a fraction.
  func difference(printed: String, errors: String, isTimed: Bool) -> String? {
    func plain(_ text: String) -> String {
      let text = text.replacing(/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/, with: "TIME")
      return isTimed ? text.replacing(/[0-9]+\.[0-9]+(e-?[0-9]+)?/, with: "NUMBER") : text
    }
    let errorLines = plain(errors).split(separator: "\n").map(String.init)
    let rest = output.map(plain).filter { line in
      line == "…" || !errorLines.contains { Self.matches($0, pattern: line) }
    }
    let text = plain(printed)
    let isSame = Self.matches(
      text.hasSuffix("\n") ? String(text.dropLast()) : text, pattern: rest.joined(separator: "\n"))
    return isSame ? nil : "shown:\n\(rest.joined(separator: "\n"))\nprinted:\n\(text)\nerrors:\n\(errors)"
  }

  static func matches(_ text: String, pattern: String) -> Bool {
    let pieces = pattern.split(separator: "…", omittingEmptySubsequences: false)
    guard pieces.count > 1 else { return text == pattern }
    guard text.hasPrefix(pieces[0]) else { return false }
    var rest = text.dropFirst(pieces[0].count)
    for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
      guard let found = rest.firstRange(of: piece) else { return false }
      rest = rest[found.upperBound...]
    }
    return rest.hasSuffix(pieces[pieces.count - 1])
  }
}
