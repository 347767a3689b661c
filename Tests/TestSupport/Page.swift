import Foundation

/// One of this repository's pages of Markdown: its blocks of code, its links, its headings.
package struct Page: Sendable {
  /// What stands between two lines of three backquotes.
  package struct Block: Sendable {
    /// The words after the backquotes: the language, then `elsewhere` where it is not run here, `timed` where figures
    /// vary, `fails` where the command tells of a failure.
    package var words: [String]
    /// The number of its first line in the file.
    package var line: Int
    package var lines: [String]
  }

  /// Relative to the package.
  package let path: String
  package let blocks: [Block]
  /// Lines outside of blocks.
  package let prose: [String]

  /// The folder that holds Package.swift.
  package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  package init(_ path: String) throws {
    self.init(path, text: try String(contentsOf: Self.root.appending(path: path), encoding: .utf8))
  }

  package init(_ path: String, text: String) {
    var blocks: [Block] = []
    var prose: [String] = []
    var isInside = false
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.hasPrefix("```") {
        if !isInside {
          blocks.append(
            Block(words: line.dropFirst(3).split(separator: " ").map(String.init), line: number + 2, lines: []))
        }
        isInside.toggle()
      } else if isInside {
        blocks[blocks.count - 1].lines.append(String(line))
      } else {
        prose.append(String(line))
      }
    }
    (self.path, self.blocks, self.prose) = (path, blocks, prose)
  }

  /// Every page of the repository; those of fixtures, which others wrote, are left out.
  package static func all() throws -> [Page] {
    var paths = ["README.md"]
    for folder in [".github", "Sources", "Tests", "benchmarks", "deploy"] {
      let walk = FileManager.default.enumerator(atPath: root.appending(path: folder).path)
      paths += (walk?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".md") }.map { "\(folder)/\($0)" }
        .sorted()
    }
    return try paths.filter { !$0.contains("/Fixtures/") && !$0.hasSuffix("MODEL_CARD.md") }.map { try Page($0) }
  }

  /// Targets of links, `[text](target)`.
  package var links: [String] {
    prose.joined(separator: "\n").matches(of: /\]\(([^)\s]+)\)/).map { String($0.1) }
  }

  /// What a link may name after `#`: headings in small letters, blanks as hyphens, without punctuation.
  package var anchors: Set<String> {
    Set(
      prose.filter { $0.hasPrefix("#") }.map { heading in
        String(
          heading.drop { $0 == "#" || $0 == " " }.lowercased().compactMap { letter -> Character? in
            letter == " " ? "-" : letter.isLetter || letter.isNumber || "-_".contains(letter) ? letter : nil
          })
      })
  }
}
