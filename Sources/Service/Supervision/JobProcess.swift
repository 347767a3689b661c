import Glibc
import Machine
import Threads

/// A job: one command, most often a launcher's, in a process group of its own, and whatever it starts on this host.
final class JobProcess {
  /// Tells the job's processes from all others, also when their parent is gone.
  private static let mark = "MARTINET_JOB"

  let id: pid_t
  /// What to write to for its standard input, and to read its standard output and error from.
  let input: Int32
  let output: Int32
  let errors: Int32
  private let token: String
  private var ended: JobEnd?

  init(command: [String]) throws(SupervisionError) {
    guard !command.isEmpty else { throw .emptyCommand }
    token = "\(getpid())-\(Self.serial())"
    var ends: [(reading: Int32, writing: Int32)] = []
    do throws(MachineError) {
      for _ in 0..<3 { ends.append(try ChildProcess.makePipe()) }
      id = try ChildProcess.start(
        command, environment: ChildProcess.environment(without: Self.mark) + ["\(Self.mark)=\(token)"],
        input: ends[0].reading, output: ends[1].writing, errors: ends[2].writing)
    } catch {
      for end in ends.flatMap({ [$0.reading, $0.writing] }) { close(end) }
      throw .start(command[0], error)
    }
    for end in [ends[0].reading, ends[1].writing, ends[2].writing] { close(end) }
    (input, output, errors) = (ends[0].writing, ends[1].reading, ends[2].reading)
  }

  private static let serials = Monitor(0)
  private static func serial() -> String {
    let number = serials.change { number in
      number += 1
      return number
    }
    return "\(number)-\(UInt32.random(in: 0...UInt32.max))"
  }

  /// How it ended; nil while it runs. Its id stays taken until `end`.
  func poll() -> JobEnd? {
    ended = ended ?? ChildProcess.end(of: id)
    return ended
  }

  /// Ends it, has its `readers`, and who writes to it, deliver what it had written before, and closes its pipes.
  func end(grace: Duration, _ stage: Monitor<JobStage>, readers: [BackgroundThread]) {
    end(grace: grace)
    stage.change { $0 = .draining }
    let haveEnded = readers.map { $0.join(atMost: .seconds(10)) }
    stage.change { $0 = .closed }
    // A thread that has not ended may still use them.
    if haveEnded.allSatisfy(\.self) { closePipes() }
  }

  /// Ends what is left of it on this host: politely, so that a launcher can end its ranks on others, and after `grace`
  /// by force.
  private func end(grace: Duration) {
    let limit = ContinuousClock.now + grace
    if poll() == nil {
      // A stopped process sees a signal only when it goes on.
      kill(-id, SIGTERM)
      kill(-id, SIGCONT)
      while poll() == nil, ContinuousClock.now < limit { usleep(10_000) }
    }
    kill(-id, SIGKILL)
    let last = ContinuousClock.now + .seconds(5)
    repeat {
      let left = leftovers()
      for process in left { kill(process, SIGKILL) }
      if left.isEmpty, poll() != nil { break }
      usleep(10_000)
    } while ContinuousClock.now < last
    var status: Int32 = 0
    waitpid(id, &status, WNOHANG)
  }

  /// Closes this side's ends, once nobody uses them.
  private func closePipes() { for end in [input, output, errors] { close(end) } }

  /// Other processes of this host that were started by the job and have not ended.
  private func leftovers() -> [pid_t] { SystemFiles.processes(with: "\(Self.mark)=\(token)").filter { $0 != id } }
}

/// What becomes of a job's lines.
enum JobStage {
  case running
  /// No more are waited for.
  case draining
  /// They are late, and lost.
  case closed
}

/// How a job's first process, the launcher, ended.
typealias JobEnd = ChildProcess.End

extension JobEnd {
  /// In words; `launcher` is the program's name.
  func words(_ launcher: String) -> String {
    switch self {
    case .exited(let status): "\(launcher) ended with status \(status)"
    case .signalled(let number):
      "\(launcher) was killed by signal \(number) (\(strsignal(number).map { String(cString: $0) } ?? "unknown"))"
    }
  }
}
