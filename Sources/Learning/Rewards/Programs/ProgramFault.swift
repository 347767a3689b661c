/// What a reward program did wrong, as what follows its name in a sentence.
package enum ProgramFault: Error, Equatable, CustomStringConvertible {
  /// A line that is no reply; `text` is its beginning, in quotation marks.
  case line(_ text: String, reason: String)
  case flood(byteCount: Int, count: Int)
  /// `hasUnread`: lines were left that it had not read.
  case late(seconds: Double, hasBegunLine: Bool, hasUnread: Bool)
  case exited(Int32)
  case signalled(Int32, name: String)
  case closedInput
  case closedOutput
  case spokeUnasked(String)
  case system(call: String, reason: String)

  package var description: String {
    switch self {
    case .line(let text, let reason): "printed the line \(text), which is no reply (\(reason))"
    case .flood(let byteCount, let count):
      "printed \(byteCount) bytes for a batch of \(count), more than any replies take"
    case .late(let seconds, _, _):
      "was ended with all that it had started: its \(seconds.formatted) seconds for a batch were over"
    case .exited(let status) where status > 128 && status < 193:
      "ended with status \(status), which is a shell's word for signal \(status - 128)"
    case .exited(let status): "ended with status \(status)"
    case .signalled(let number, let name): "was killed by signal \(number) (\(name))"
    case .closedInput: "closed its standard input"
    case .closedOutput: "closed its standard output"
    case .spokeUnasked(let text): "printed \(text) without being asked"
    case .system(let call, let reason): "cannot be spoken with (\(call) failed: \(reason))"
    }
  }

  /// What to do, after the sentence.
  var advice: String {
    switch self {
    case .line, .flood, .spokeUnasked:
      """
      ; for each line that it reads it must print one, {\"index\": 0, \"reward\": 1.0}, and nothing else: other \
      words belong on its standard error
      """
    case .late(_, true, _): "; it had begun a line and not ended it"
    case .late(_, false, true): "; it must read all lines. Make it faster, or give it more time with --reward-timeout"
    case .late(_, false, false):
      """
      ; does it print each reply at once (flush), without waiting for the end of its input? Make it faster, or \
      give it more time with --reward-timeout
      """
    case .exited, .signalled, .closedInput, .closedOutput:
      "; see what it wrote to standard error. It must go on reading lines and answering them until its input ends"
    case .system: ""
    }
  }
}

extension Double {
  /// Without a fraction of nothing.
  fileprivate var formatted: String { self == rounded() && abs(self) < 1e9 ? "\(Int(self))" : "\(self)" }
}
