import DistributedTraining
import Glibc
import Supervision

/// What rank 0 of a supervised training tells its supervisor, on standard error; and whether there still is one.
final class TrainingLink {
  private var progress = JobProgress(done: 0, kept: 0)

  /// The training goes on after `step`, which lies on the disk.
  func begin(step: Int) { tell(JobProgress(done: step, kept: step)) }

  func tell(_ event: TrainingEvent) {
    switch event {
    case .step(let report): tell(JobProgress(done: report.number, kept: progress.kept))
    case .saved(let step, _, _): tell(JobProgress(done: progress.done, kept: step))
    default: break
    }
  }

  /// The next job would end in the same way.
  func fail() { tell(JobProgress(done: progress.done, kept: progress.kept, isFinal: true)) }

  private func tell(_ new: JobProgress) {
    progress = new
    say(new.line)
  }

  /// Whether whoever started the job is gone: standard input has come to its end.
  var isAbandoned: Bool {
    var waited = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    guard poll(&waited, 1, 0) > 0 else { return false }
    guard Int32(waited.revents) & POLLIN != 0 else { return Int32(waited.revents) & POLLHUP != 0 }
    var byte: UInt8 = 0
    return read(STDIN_FILENO, &byte, 1) == 0
  }
}
