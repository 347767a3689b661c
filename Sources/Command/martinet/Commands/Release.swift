import ArgumentParser
import Machine
import Reports

/// `martinet release`: has this host's keeper of weights let go of them.
struct Release: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give back the memory of weights that are kept on this host (--keep-weights).",
    discussion: """
      Of what is kept for nobody; with --all of everything, so that a job that is started again reads its files. \
      Whoever uses kept weights goes on using them.
      """)

  @Flag(help: "Also what jobs use, and would take when they are started again.")
  var all = false

  @Flag(help: "Only tell what is kept.")
  var list = false

  func validate() throws {
    if all, list { throw ValidationError("give --all or --list") }
  }

  func run() throws {
    do {
      guard let keeper = try KeeperClient.existing() else {
        say("martinet: nothing is kept on this host")
        return
      }
      guard list else {
        let bytes = try keeper.release(all: all)
        say("martinet: \(bytes == 0 ? "nothing to let go of" : "let go of \(Figures.size(bytes))")")
        return
      }
      for entry in try keeper.list() {
        let use = entry.secondsLeft.map { "for nobody, \($0) s more" } ?? "for a job"
        show("\(Figures.size(entry.byteCount))  \(use)  \(entry.name)")
      }
    } catch {
      say("martinet: \(error)")
      throw ExitCode(1)
    }
  }
}
