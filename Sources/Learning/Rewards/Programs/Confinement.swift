import ClusterCheck
import Glibc
import Machine

/// What is put before a command so that it has no network, and ends with all that it started: commands of util-linux,
/// as far as the system lets this process use them.
///
/// Namespaces are no wall against malice: a program reads and writes the files that this process may.
struct Confinement: Sendable, Equatable {
  /// Before `/bin/sh -c COMMAND`; each runs what follows it in its own place.
  var prefix: [String]
  /// It runs in a namespace of processes, which ends whole with its first one: the child of what is started.
  var ownsProcesses: Bool
  /// Why it has the network although it was not to; nil where it has none, or may have it.
  var reason: String?

  /// Kills the command where the thread that started it ends, and so this process.
  private static let leash = ["setpriv", "--pdeathsig", "KILL", "--"]

  /// What may be tried, the best first: namespaces of network and processes, `/proc` mounted for the latter. A user who
  /// is not root needs one of users, too; root does better without, where other users' files are to be read.
  private static func isolations(isRoot: Bool) -> [[String]] {
    let whole = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    let plain = ["--net", "--pid", "--fork", "--kill-child", "--"]
    let user = ["unshare", "--user", "--map-current-user"]
    let own = [user + whole, user + plain]
    return (isRoot ? [["unshare"] + whole] : []) + own + [["unshare", "--user", "--map-root-user", "--net", "--"]]
  }

  /// Gives the command all cores that any thread of this process may use: the one that asks for rewards may be kept on
  /// one.
  private static func spread() -> [String] {
    let lists = SystemFiles.coreLists()
    return lists.count > 1 ? ["taskset", "-c", lists.joined(separator: ",")] : []
  }

  /// Tries, on a command that does nothing, what works here.
  static func find(isIsolated: Bool) -> Confinement {
    let leash = [spread(), Self.leash].filter { !$0.isEmpty && failure(of: $0) == nil }.flatMap { $0 }
    guard isIsolated else { return Confinement(prefix: leash, ownsProcesses: false) }
    var reason: String?
    for isolation in isolations(isRoot: geteuid() == 0) {
      guard let failure = failure(of: leash + isolation) else {
        return Confinement(prefix: leash + isolation, ownsProcesses: isolation.contains("--pid"))
      }
      reason = reason ?? failure
    }
    return Confinement(prefix: leash, ownsProcesses: false, reason: reason)
  }

  /// In words, why a command does not run behind `prefix`; nil where it does.
  private static func failure(of prefix: [String]) -> String? {
    do throws(MachineError) {
      let trial = try TimedCommand.run(prefix + ["/bin/sh", "-c", ":"], limit: .seconds(30))
      switch trial.end {
      case .exited(0): return nil
      case .tooLate: return "\(prefix[0]) took too long"
      default: return trial.firstWords.cut
      }
    } catch {
      return "\(prefix[0]): \(error)"
    }
  }

  /// The command with all that is before it.
  func command(_ text: String) -> [String] {
    prefix + (ownsProcesses ? ["/bin/sh", "-c", Self.firstProcess, "sh", text] : ["/bin/sh", "-c", text])
  }

  /// A namespace's first process waits for orphans, and signals without a handler do not reach it: that is a shell's
  /// part, not the program's. At SIGTERM it ends, and with it all others. What runs in the background reads nothing,
  /// unless from a copy.
  private static let firstProcess = """
    trap 'exit 143' TERM; exec 3<&0
    /bin/sh -c "$1" <&3 3<&- &
    exec 3<&- </dev/null >/dev/null
    wait $!
    exit $?
    """
}
