import Glibc
import Supervision
import Synchronization

/// A job as a supervisor starts it: `SupervisionScenarios NAME[=NUMBER]…`.
@main
package enum SupervisionScenarios {
  package static func main() {
    var script = ScriptedEngine.Script()
    for argument in CommandLine.arguments.dropFirst() {
      let parts = argument.split(separator: "=")
      let number = parts.count > 1 ? Int(parts[1]) : nil
      switch parts[0] {
      case "step-milliseconds": script.stepMilliseconds = number ?? 1
      case "crash-after": script.crashAfter = number
      case "stop-after": script.stopAfter = number
      case "hang-after": script.hangAfter = number
      case "damage-after": script.damageAfter = number
      case "poison": script.poison = (Int32(number ?? 0), script.poison?.at ?? 0)
      case "poison-at": script.poison = (script.poison?.token ?? 0, number ?? 0)
      case "noisy": script.isNoisy = true
      case "kill-within": script.killWithin = number
      case "rest-after": script.restAfter = number
      case "leave-child": leaveChild(seconds: number ?? 0)
      case "refuse":
        say("martinet: failed: the model is not there")
        exit(1)
      case "silent": for _ in 0..<600 { sleep(1) }
      case "rank-missing":
        say(#"martinet: start {"rank":0,"host":"n1","ranks":2,"stage":"started","bytes":0,"of":0}"#)
        for _ in 0..<600 { sleep(1) }
      case "away-until": stayAway(until: number ?? 0)
      default: fatalError("no scenario is named \(argument)")
      }
    }
    do {
      let output = try EngineLink.takeStandardOutput()
      linkOutput.store(output, ordering: .relaxed)
      let engine = ScriptedEngine(script)
      let link = EngineLink(engine: engine, input: STDIN_FILENO, output: output, grace: .seconds(2))
      try link.start()
      runningLink.withLock { $0 = link }
      engine.run()
      link.finish()
    } catch {
      say("\(error)")
      exit(2)
    }
  }

  /// A host that cannot be reached until so many seconds after 1970, as mpirun tells of it.
  private static func stayAway(until end: Int) {
    guard time(nil) < end else { return }
    say("ssh: connect to host n2 port 22: No route to host")
    say(String(repeating: "-", count: 74))
    say("ORTE was unable to reliably start one or more daemons.")
    say("  one of the contrib/platform definitions for your system type.")
    exit(255)
  }

  /// A process outside this one's group, as a launcher's ranks are, that sleeps so long.
  private static func leaveChild(seconds: Int) {
    var child = pid_t()
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let arguments = [strdup("sleep"), strdup("\(seconds)"), nil]
    posix_spawnp(&child, "sleep", nil, &attributes, arguments, environ)
  }
}
