import Foundation
import TestSupport
import Testing

/// Pages lead where they say, and say of each block what it is.
@Suite struct PageTests {
  @Test func everyLinkLeadsSomewhere() throws {
    let pages = try Page.all()
    #expect(pages.count > 10)
    for page in pages {
      for link in page.links where !link.hasPrefix("http") {
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let folder = Page.root.appending(path: page.path).deletingLastPathComponent()
        let target =
          parts[0].isEmpty ? Page.root.appending(path: page.path) : folder.appending(path: parts[0]).standardized
        #expect(FileManager.default.fileExists(atPath: target.path), "\(page.path) links to \(link)")
        if parts.count > 1, target.pathExtension == "md" {
          let path = String(target.path.dropFirst(Page.root.standardized.path.count + 1))
          #expect(
            try Page(path).anchors.contains(parts[1]), "\(page.path) links to \(link), a heading that is not there")
        }
      }
    }
  }

  /// `console` and `sh` are run by CommandTests unless they say `elsewhere`.
  @Test func everyBlockSaysWhatItIs() throws {
    let languages: Set<String> = ["console", "sh", "text", "python", "toml", "json", "yaml", "ini", "nginx", "swift"]
    for page in try Page.all() {
      for block in page.blocks {
        let words = block.words
        #expect(languages.contains(words.first ?? ""), "\(page.path):\(block.line): a block of what?")
        #expect(
          Set(words.dropFirst()).isSubset(of: ["elsewhere", "timed", "fails"]), "\(page.path):\(block.line): \(words)")
      }
    }
  }

  @Test func pagesAreReadAsTheyAreShown() {
    let page = Page("a.md", text: "# The *one* way\n[b](c.md#d)\n```console timed\n$ e\n# f\n```\n```\ng\n```")
    #expect(page.links == ["c.md#d"] && page.anchors == ["the-one-way"])
    #expect(page.blocks.map(\.words) == [["console", "timed"], []] && page.blocks.map(\.line) == [4, 8])
    #expect(page.blocks.map(\.lines) == [["$ e", "# f"], ["g"]])
  }
}
