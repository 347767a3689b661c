import ArgumentParser
import Fabric
import Glibc

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
    subcommands: [Generate.self, Serve.self, Score.self, Tokenize.self, Inspect.self, Plan.self, Project.self, Quantize.self, Checksum.self, TopologyCommand.self, Bench.self])

  /// Parses and runs; under a launcher every rank does, and rank 0 alone speaks.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let exit as ExitCode {
      Glibc.exit(exit.rawValue)
    } catch {
      let isHelp = exitCode(for: error) == .success
      if Launch.earlyRank == 0 {
        let text = fullMessage(for: error)
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
