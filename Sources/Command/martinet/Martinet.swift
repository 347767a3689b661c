import ArgumentParser
import Fabric
import Foundation
import Glibc
import Machine

@main
struct Martinet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martinet",
    abstract: "Run Mixture-of-Experts language models on a cluster of CPU servers.",
    discussion: """
      Every command works alone or under mpirun, where the experts are spread over the ranks:
        mpirun -n 4 martinet generate --model DeepSeek-V2-Lite --prompt "Once upon a time"
      Results do not depend on the number of ranks or threads.
      """,
    version: "0.1.0",
    subcommands: [
      Generate.self, Serve.self, Stop.self, Release.self, Score.self, Eval.self, Audit.self, Tokenize.self,
      Inspect.self, Plan.self,
      Project.self, Placement.self,
      Check.self, Quantize.self, Checksum.self, Train.self, Sample.self, TopologyCommand.self, Bench.self,
      KeepWeights.self,
    ])

  /// "0.1.0 (build 0123456789abcdef)": what tells this program from others, for reports and comparisons.
  static var versionAndBuild: String { "\(configuration.version) (build \((try? ProgramFile.build()) ?? "unknown"))" }

  /// Parses and runs; under a launcher every rank does, and rank 0 alone speaks.
  static func main() {
    // The build is found by reading the whole program, which other commands need not wait for.
    if CommandLine.arguments.dropFirst() == ["--version"] {
      if Launch.earlyRank == 0 { show(versionAndBuild) }
      Glibc.exit(0)
    }
    var settings: CommandSettings?
    do {
      var arguments = Array(CommandLine.arguments.dropFirst())
      if arguments.first == Serve._commandName {
        let found = try CommandSettings(Array(arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
        settings = found
        arguments = [Serve._commandName] + found.arguments
      } else if let type = Train.commands.first(where: { $0.words == Array(arguments.prefix(2)) }) {
        let found = try type.settings(Array(arguments.dropFirst(2)))
        settings = found
        arguments = type.words + found.arguments
      }
      var command = try parseAsRoot(arguments)
      if let settings, settings.isToBePrinted {
        if Launch.earlyRank == 0 { show(settings.text) }
        Glibc.exit(0)
      }
      try command.run()
    } catch let exit as ExitCode {
      Glibc.exit(exit.rawValue)
    } catch {
      let isHelp = exitCode(for: error) == .success
      if Launch.earlyRank == 0 {
        let message = fullMessage(for: error)
        let text = message + (settings?.sources(in: message) ?? "")
        if isHelp { show(text) } else { say(text) }
      } else if !isHelp {
        // The launcher ends the run with the first failure: let rank 0 have its say.
        usleep(300_000)
      }
      Glibc.exit(isHelp ? 0 : 1)
    }
    Glibc.exit(0)
  }
}
