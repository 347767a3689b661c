import ArgumentParser
import Fabric
import Machine
import ModelRuntime

/// Which cores of each host a command computes with.
struct CoreOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Cores of each host to use: a list such as 0-3,8, or how many. More than there are is an error, under a \
      launcher a remark. Results do not depend on it. (default: all that the ranks may use and no other job of \
      martinet holds)
      """,
      valueName: "list|count"))
  var cores: String?

  @Flag(help: "Let the system move threads from core to core.")
  var noPinning = false

  func validate() throws {
    do { if let cores { _ = try CoreRequest(cores) } } catch { throw ValidationError("--cores: \(error)") }
  }

  /// These options as another process takes them.
  var arguments: [String] { (cores.map { ["--cores", $0] } ?? []) + (noPinning ? ["--no-pinning"] : []) }

  var wishes: HostPlan.CoreWishes {
    var wishes = HostPlan.CoreWishes()
    // Checked before.
    wishes.request = cores.flatMap { try? CoreRequest($0) } ?? .all
    (wishes.pins, wishes.claims) = (!noPinning, true)
    return wishes
  }

  /// Deals out cores, and tells on rank 0 what a user should know of that. Collective.
  func plan(on communicator: any Communicator, threads: Int?) throws -> HostPlan {
    let host = try HostPlan.make(on: communicator, threadsPerRank: threads, cores: wishes)
    if communicator.isRoot { for remark in host.remarks { say("martinet: \(remark)") } }
    return host
  }
}
