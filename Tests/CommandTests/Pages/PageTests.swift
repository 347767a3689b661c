import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// What pages show is what happens: their blocks are run as they stand, on the demonstration model.
  struct PageTests {
    /// Where they run: it has this repository's `Sources`, and what they name.
    private let folder = TemporaryFolder()
    private let deepSeek = TemporaryFolder()

    private static func pages() throws -> [String] {
      try Page.all().filter { page in page.blocks.contains { isRun($0) } }.map(\.path)
    }

    private static func isRun(_ block: Page.Block) -> Bool {
      ["console", "sh"].contains(block.words.first) && !block.words.contains("elsewhere")
    }

    init() throws {
      try FileManager.default.createSymbolicLink(
        atPath: folder.file("Sources"), withDestinationPath: Page.root.appending(path: "Sources").path)
      // curl is to fail where the server refuses, and to ask the server itself, whatever proxy there is.
      folder.write("fail-with-body\nsilent\nnoproxy = \"*\"\n", as: ".curlrc")
      try FileManager.default.createDirectory(atPath: folder.file("bin"), withIntermediateDirectories: false)
      try FileManager.default.createSymbolicLink(
        atPath: folder.file("bin/martinet"), withDestinationPath: Program.path)
    }

    /// A command line of bash, in `folder`, where ranks may be more than cores and their user root.
    private func command(_ text: String) -> [String] {
      let path = "\(folder.path)/bin:\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
      return [
        "env", "-C", folder.path, "HOME=\(folder.path)", "PATH=\(path)", "OMPI_ALLOW_RUN_AS_ROOT=1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1", "bash", "-c", text,
      ]
    }

    @Test(arguments: try pages()) func blocksPrintWhatTheyShow(path: String) throws {
      for block in try Page(path).blocks where Self.isRun(block) {
        try run(block, of: path)
      }
    }

    private func run(_ block: Page.Block, of path: String) throws {
      let isTimed = block.words.contains("timed")
      var server: RunningServer?
      for shown in ShownCommand.all(of: block) {
        let place = "\(path):\(block.line): \(shown.text)"
        var shown = shown
        if shown.text.hasPrefix("cat "),
          !FileManager.default.fileExists(atPath: folder.file(String(shown.text.dropFirst(4))))
        {
          folder.write(shown.output.joined(separator: "\n"), as: String(shown.text.dropFirst(4)))
          continue
        }
        if shown.startsServer {
          let started = try RunningServer(command: command("MARTINET_PORT=0 exec \(shown.text)"))
          server = started
          shown.output = shown.output.map { $0.replacing(":8000", with: ":\(started.port)") }
          if !shown.output.isEmpty {
            let difference = shown.difference(printed: "", errors: started.program.errorsSoFar, isTimed: isTimed)
            #expect(difference == nil, "\(place)")
          }
          continue
        }
        if let server { shown.text = shown.text.replacing(":8000", with: ":\(server.port)") }
        try makeWhatIsNamed(in: shown.text)
        let outcome = try Program.execute(["timeout", "900"] + command(shown.text))
        #expect(
          (outcome.status != 0) == block.words.contains("fails") && !outcome.isCrash,
          "\(place)\n\(outcome.output)\n\(outcome.errors)")
        if !shown.output.isEmpty {
          let difference = shown.difference(printed: outcome.output, errors: outcome.errors, isTimed: isTimed)
          #expect(difference == nil, "\(place)")
        }
      }
      // mpirun tells of the signal that it passed on.
      if let server { #expect(server.drain() != nil, "\(path):\(block.line)") }
    }

    /// DeepSeek-V3, of which only headers are real.
    private func makeWhatIsNamed(in text: String) throws {
      guard text.contains("--model DeepSeek-V3"), deepSeek.names.isEmpty else { return }
      try SparseDeepSeekV3(layerCount: 61).write(to: deepSeek)
      try FileManager.default.createSymbolicLink(
        atPath: folder.file("DeepSeek-V3"), withDestinationPath: deepSeek.path)
    }

    /// `deploy/demo.sh` builds first, which the tests have done; how it ends is held to what README shows.
    @Test func theDemonstrationEndsAsReadmeShows() throws {
      let script = try String(contentsOf: Page.root.appending(path: "deploy/demo.sh"), encoding: .utf8)
      let start = try #require(script.range(of: "\nprintf"))
      let line = String(script[start.lowerBound...].dropFirst()).replacing(".build/release/martinet", with: "martinet")
      let blocks = try Page("README.md").blocks
      let demo = try #require(blocks.firstIndex { $0.lines == ["./deploy/demo.sh"] })
      let end = blocks[demo + 1]
      let outcome = try Program.execute(["timeout", "900"] + command(line))
      #expect(outcome.status == 0, "\(outcome.errors)")
      let shown = ShownCommand(text: line, output: end.lines)
      #expect(shown.difference(printed: outcome.output, errors: outcome.errors, isTimed: true) == nil)
    }

    @Test func shownOutputIsComparedWithWhatIsPrinted() {
      func differs(_ output: [String], printed: String, errors: String = "", isTimed: Bool = false) -> Bool {
        ShownCommand(text: "", output: output).difference(printed: printed, errors: errors, isTimed: isTimed) != nil
      }
      #expect(!differs(["a", "b"], printed: "a\nb\n") && differs(["a"], printed: "a\nb\n"))
      #expect(!differs(["a …", "d"], printed: "a b\nc\nd") && differs(["a …", "d"], printed: "a b\nc"))
      #expect(
        !differs(["a", "1 b"], printed: "a", errors: "0 c\n1 b\n") && differs(["1 b"], printed: "", errors: "2 b"))
      #expect(!differs(["1.5 s, 3"], printed: "2.25 s, 3", isTimed: true) && differs(["1.5 s"], printed: "2.25 s"))
      #expect(differs(["1.5 s, 3"], printed: "1.5 s, 4", isTimed: true))
      #expect(!differs(["2026-11-28T12:00:00.123Z a"], printed: "2027-01-02T03:04:05.6Z a"))
    }
  }
}
