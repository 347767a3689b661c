import ArgumentParser
import Dispatch
import Glibc
import JSON
import Supervision

/// A training whose ranks are a job of their own: this process has no part in MPI, and starts the job again when it
/// ends before its time. What is computed twice is told once.
struct SupervisedTraining {
  private let options: RestartOptions

  init(_ options: RestartOptions) { self.options = options }

  /// Returns when the training has come to its end, or was told to stop and has saved.
  func run() throws {
    let words = Array(CommandLine.arguments.dropFirst())
    let told = ToldSteps()
    var job = SupervisedJob.Options(
      command: options.job(of: words, resumes: false), resumingCommand: options.job(of: words, resumes: true)
    ) { line in if told.isNew(line) { show(line) } }
    job.restartLimit = options.maxRestarts
    job.restartTime = .seconds(options.restartFor)
    job.stallLimit = options.stallLimit > 0 ? .seconds(options.stallLimit) : nil
    job.log = { say($0) }
    let supervised = SupervisedJob(job)
    let signals = watchSignals(supervised)
    defer { for signal in signals { signal.cancel() } }
    guard case .failed(let reason) = supervised.run() else { return }
    say("martinet: the training has ended: \(reason)", isFailure: true)
    throw ExitCode(1)
  }

  /// The first SIGINT, SIGTERM or SIGUSR1 has the job save and end; a second SIGINT ends it at once.
  private func watchSignals(_ job: SupervisedJob) -> [any DispatchSourceSignal] {
    let queue = DispatchQueue(label: "signals")
    let count = InterruptCount()
    return [SIGINT, SIGTERM, SIGUSR1].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        if number == SIGINT, count.next() > 1 { return job.terminate() }
        say("martinet: the training ends after the step under way, with a checkpoint")
        job.stop()
      }
      source.resume()
      return source
    }
  }
}

/// How often SIGINT has come; used on one queue.
final class InterruptCount: @unchecked Sendable {
  private var count = 0
  func next() -> Int {
    count += 1
    return count
  }
}

/// Which steps were told: those that a new job computes again are not told again. Used on one job's thread at a time.
private final class ToldSteps: @unchecked Sendable {
  private var last = -1

  func isNew(_ line: String) -> Bool {
    guard let json = try? JSONValue(parsing: Array(line.utf8), limits: JSONLimits(byteCount: 1 << 20, depth: 8)),
      let step = json["step"]?.exactInt
    else { return true }
    guard step > last else { return false }
    last = step
    return true
  }
}
