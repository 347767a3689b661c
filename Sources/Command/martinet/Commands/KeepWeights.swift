import ArgumentParser
import Glibc
import Machine

/// A host's keeper of weights, which ranks start; it ends by itself when nothing is kept any more, and on SIGTERM.
struct KeepWeights: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep weights for jobs of this host; started by them.", shouldDisplay: false)

  func run() throws {
    // Whoever has started it may go.
    signal(SIGHUP, SIG_IGN)
    _ = chdir("/")
    FileLimit.raiseForServer()
    guard let keeper = try MemoryKeeper(KeeperFolder()) else { return }
    keeper.run()
  }
}
