import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Options that pages name are there, and those that are there are named.
  struct OptionTests {
    /// Every command, `bench kernels` as one, with the options that its `--help` lists.
    private static func commands() throws -> [String: Set<String>] {
      func help(_ command: [String]) throws -> String { try Program.run(command + ["--help"]).output }
      func subcommands(_ text: String) -> [String] {
        guard let list = text.range(of: "SUBCOMMANDS:") else { return [] }
        return text[list.upperBound...].split(separator: "\n").compactMap { $0.firstMatch(of: /^  ([a-z][a-z-]*)/) }
          .map { String($0.1) }
      }
      var found: [String: Set<String>] = [:]
      var next = subcommands(try help([])).map { [$0] }
      while let command = next.popLast() {
        let text = try help(command)
        next += subcommands(text).map { command + [$0] }
        // `--log-requests/--no-log-requests` are two.
        let lines = text.split(separator: "\n").compactMap { $0.firstMatch(of: /^  (?:-[a-z], )?(--[a-z0-9\/-]+)/) }
        let options = lines.flatMap { String($0.1).split(separator: "/").map(String.init) }
        found[command.joined(separator: " ")] = Set(options).subtracting(["--help", "--version"])
      }
      return found
    }

    private static func options(in text: some StringProtocol) -> Set<String> {
      Set(String(text).matches(of: /(?:^|[\s`("'\/])(--[a-z][a-z0-9-]*)/).map { String($0.1) })
    }

    /// Pages of our options; others speak of those of other programs, too.
    private static func isManual(_ page: Page) -> Bool {
      page.path == "README.md" || page.path.hasPrefix("deploy/manual/") || page.path == "deploy/serving.md"
    }

    @Test func pagesAndHelpNameTheSameOptions() throws {
      let commands = try Self.commands()
      #expect(commands["generate"]?.contains("--prompt") == true && commands["bench sweep"]?.contains("--out") == true)
      let all = commands.values.reduce(into: Set(["--help", "--version"])) { $0.formUnion($1) }
      var named: Set<String> = []
      for page in try Page.all()
      where page.path == "README.md" || page.path.hasPrefix("deploy/") || page.path.hasPrefix("benchmarks/") {
        let prose = page.prose.joined(separator: "\n")
        named.formUnion(Self.options(in: prose))
        for option in prose.matches(of: /`(--[a-z][a-z0-9-]*)/).map({ String($0.1) }) where Self.isManual(page) {
          #expect(all.contains(option), "\(page.path) names \(option), which no command has")
        }
        for block in page.blocks {
          let text = block.lines.joined(separator: "\n").replacing("\\\n", with: " ")
          named.formUnion(Self.options(in: text))
          for line in text.split(separator: "\n") { try check(line, commands, "\(page.path):\(block.line)") }
        }
      }
      for (command, options) in commands {
        let missing = options.subtracting(named)
        #expect(missing.isEmpty, "no page names \(missing.sorted()) of \(command)")
      }
    }

    /// A line that starts our program gives it only options that the command has; what follows `--` is a launcher's.
    private func check(_ line: Substring, _ commands: [String: Set<String>], _ place: String) throws {
      guard let call = line.firstMatch(of: /martinet ((?:bench |train )?[a-z-]+)(\s.*)?$/),
        let known = commands[String(call.1)]
      else { return }
      let arguments = (call.2 ?? "").split(separator: " -- ").first ?? ""
      let unknown = Self.options(in: arguments).subtracting(known).subtracting(["--help"])
      #expect(unknown.isEmpty, "\(place) gives \(unknown.sorted()) to \(call.1)")
    }
  }
}
