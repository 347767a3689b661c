import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Supervision

/// Jobs that keep what they have done: started again until they have ended well, or are given up.
@Suite struct SupervisedJobTests {
  /// What a job and its supervisor wrote.
  private final class Written: Sendable {
    let output = Mutex<[String]>([])
    let log = Mutex<[String]>([])
  }

  private static func progress(_ done: Int, _ kept: Int, final: Bool = false) -> String {
    "echo '\(JobProgress(done: done, kept: kept, isFinal: final).line)' >&2;"
  }

  /// Jobs are shell scripts; those after the first are given `again` as `$1`. `whenReady` is called when one has
  /// written `ready`: before, a signal might meet it without its traps.
  private func run(
    _ script: String, _ change: (inout SupervisedJob.Options) -> Void = { _ in },
    whenReady: @escaping @Sendable (SupervisedJob) -> Void = { _ in }
  ) -> (end: SupervisedJob.End, written: Written) {
    let written = Written()
    let running = Mutex<SupervisedJob?>(nil)
    var options = SupervisedJob.Options(
      command: ["bash", "-c", script, "job"], resumingCommand: ["bash", "-c", script, "job", "again"]
    ) { line in
      written.output.withLock { $0.append(line) }
      if line == "ready", let job = running.withLock({ $0 }) { whenReady(job) }
    }
    options.log = { line in written.log.withLock { $0.append(line) } }
    change(&options)
    let job = SupervisedJob(options)
    running.withLock { $0 = job }
    // It keeps what is told of its lines, which knows it.
    defer { running.withLock { $0 = nil } }
    return (job.run(), written)
  }

  @Test(.timeLimit(.minutes(20))) func aJobThatEndsWellIsDone() {
    let (end, written) = run("echo one; \(Self.progress(1, 0)) echo two; echo words >&2")
    #expect(end == .finished)
    #expect(written.output.withLock { $0 } == ["one", "two"] && written.log.withLock { $0 } == ["words"])
  }

  @Test(.timeLimit(.minutes(20))) func aJobThatIsKilledIsStartedAgain() {
    let (end, written) = run(
      "\(Self.progress(3, 0)) \(Self.progress(5, 4)) echo $1; test -n \"$1\" || { sleep 0.2; kill -9 $$; }")
    #expect(end == .finished && written.output.withLock { $0 } == ["", "again"])
    let log = written.log.withLock { $0 }
    #expect(log.count == 1 && log[0].contains("killed by signal 9") && log[0].contains("last checkpoint"), "\(log)")
  }

  @Test(.timeLimit(.minutes(20))) func jobsThatNeverMakeAStepAreGivenUp() {
    let (end, written) = run("echo x; exit 3") { $0.restartLimit = 2 }
    guard case .failed(let reason) = end else {
      Issue.record("no failure")
      return
    }
    #expect(reason.contains("3 times in a row") && reason.contains("before it had made a step"), "\(reason)")
    #expect(written.output.withLock { $0 }.count == 3)
  }

  /// What ranks say of themselves before the first step ever, and what they say is final.
  @Test(.timeLimit(.minutes(20)), arguments: [false, true]) func whatWouldFailAgainIsNotTried(hasWorked: Bool) {
    let work = hasWorked ? Self.progress(0, 0) + Self.progress(4, 2) + Self.progress(4, 2, final: true) : ""
    let (end, written) = run("\(work) echo '\(EngineLink.failureMark)there is no such file' >&2; exit 1")
    #expect(end == .failed(reason: "there is no such file"))
    #expect(written.log.withLock { $0 } == ["martinet: there is no such file"])
  }

  @Test(.timeLimit(.minutes(20))) func aJobThatSaysNothingIsStartedAgain() {
    let (end, written) = run("test -n \"$1\" || { \(Self.progress(0, 0)) \(Self.progress(1, 0)) sleep 100; }") {
      $0.stallLimit = .milliseconds(1500)
    }
    #expect(end == .finished)
    #expect(written.log.withLock { $0 }.contains { $0.contains("nothing has been heard of it for ") })
  }

  @Test(.timeLimit(.minutes(20))) func aJobThatIsToldToStopEndsWell() {
    let (end, written) = run(
      "trap 'echo saved; exit 0' USR1; \(Self.progress(0, 0)) echo ready; while true; do sleep 0.05; done",
      whenReady: { $0.stop() })
    #expect(end == .finished && written.output.withLock { $0 } == ["ready", "saved"])
  }

  @Test(.timeLimit(.minutes(20))) func aJobThatIsToEndAtOnceDoes() {
    let (end, _) = run(
      "trap '' USR1 TERM; echo ready; while true; do sleep 0.05; done", { $0.killGrace = .milliseconds(200) },
      whenReady: { $0.terminate() })
    #expect(end != .finished)
  }

  @Test func linesThatAreNoProgressAreWords() {
    let progress = JobProgress(done: 9, kept: 4)
    #expect(JobProgress(line: progress.line) == progress)
    for line in [
      "", "martinet: progress", "martinet: progress {}", "martinet: progress {\"done\":1,\"kept\":2,\"final\":false}",
      "martinet: progress {\"done\":-1,\"kept\":-2,\"final\":false}", "martinet: progress [1]",
      "martinet: progress {\"done\":1e99,\"kept\":0,\"final\":false}",
    ] { #expect(JobProgress(line: line) == nil, "\(line)") }
  }
}
